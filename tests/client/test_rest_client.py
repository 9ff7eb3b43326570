"""REST by the letter: what is sent, and what is made of answers that no TensorFlow Serving gives."""

import json
import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from keras_sister.client import rest_client
from keras_sister.client.connect import connect
from keras_sister.client.rest_client import request_body, response_arrays
from keras_sister.client.retry import RetryableError
from keras_sister.errors import InputError


def test_requests_are_those_of_the_documentation():
    assert request_body([b"\xff\xd8", b"ab"], "row") == {
        "instances": [{"image_bytes": {"b64": "/9g="}}, {"image_bytes": {"b64": "YWI="}}]
    }
    assert request_body([b"ab"], "column") == {"inputs": {"image_bytes": [{"b64": "YWI="}]}}
    rows = {"predictions": [{"a": 0.5, "b": [0.25, 0.75]}, {"a": 1.0, "b": [1.0, 0.0]}]}
    columns = {"outputs": {"a": [0.5, 1.0], "b": [[0.25, 0.75], [1.0, 0.0]]}}
    for answer in (rows, columns):
        arrays = response_arrays(answer)
        np.testing.assert_array_equal(arrays["a"], [0.5, 1])
        np.testing.assert_array_equal(arrays["b"], [[0.25, 0.75], [1, 0]])


@contextmanager
def answering(raw: bytes, *, pause: float = 0.0) -> Iterator[str]:
    """A server that answers whatever it is asked with these bytes, perhaps one by one."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            with suppress(OSError):
                for piece in [raw] if not pause else [raw[i : i + 1] for i in range(len(raw))]:
                    self.wfile.write(piece)
                    time.sleep(pause)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/models/sister"
        server.shutdown()


def http(status: str, body: str, *, length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {length or len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "{}",
        "[]",
        "null",
        '{"error": "no"}',
        '{"predictions": []}',
        '{"predictions": [1, 2]}',
        '{"predictions": [{"a": 1}, {"b": 1}]}',
        '{"outputs": {"a": [[1], 2]}}',
        '{"outputs": {"a": ["x"]}}',
        "[" * 100_000,
    ],
)
def test_an_answer_of_another_form_is_said_to_be(body):
    with answering(http("200 OK", body)) as url, pytest.raises(InputError, match="expected that of TensorFlow Serving"):
        connect(url, retries=0).predict([b"x"])


def test_an_answer_that_breaks_off_is_asked_for_again():
    for status in ("200 OK", "503 Busy"):
        with (
            answering(http(status, '{"outp', length=1000)) as url,
            pytest.raises(RetryableError, match=r"the response broke off: .*IncompleteRead"),
        ):
            connect(url, retries=0).predict([b"x"])


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for():
    slow = answering(http("200 OK", " " * 1000), pause=0.02)
    with slow as url, pytest.raises(InputError, match="timed out"):
        connect(url, retries=0, timeout=1).predict([b"x"])


def test_of_a_servers_words_one_line_is_shown():
    words = json.dumps({"error": "first\nsecond" + 1000 * "."})
    with answering(http("400 Bad", words)) as url, pytest.raises(InputError, match=r":predict: 400: first$"):
        connect(url).predict([b"x"])


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"https://elsewhere.example/v1/models/b:predict", "https://elsewhere.example/v1/models/b:predict"),
        (b"/login", r"http://127\.0\.0\.1:\d+/login"),
        (b"http://[bad", r"http://\[bad"),
        (b"/caf\xe9", r"http://127\.0\.0\.1:\d+/café"),
    ],
)
def test_a_redirect_is_refused_with_its_target(location, target):
    raw = b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with answering(raw) as url, pytest.raises(InputError, match=f"redirects to {target}; redirects are not followed"):
        connect(url).predict([b"x"])


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_no_name_can_have_is_one_line(host):
    with pytest.raises(InputError, match=f"http://{host}:8501/.*: cannot be reached: .*label empty or too long"):
        connect(f"http://{host}:8501/v1/models/x", retries=0).predict([b"x"])


@pytest.fixture
def proxy(monkeypatch):
    """Set the proxy of the environment, whatever this machine has."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda text: monkeypatch.setenv("http_proxy", text)


@pytest.mark.parametrize(
    "text",
    [
        "me:secret@127.0.0.1:9",
        "http://me:secret@127.0.0.1:9/path",
        "http://me:se@secret@127.0.0.1:9",
        "http://me:secret#secret@127.0.0.1:9",
        "http://me:secret/secret@127.0.0.1:9",
        "http://me:9/secret@127.0.0.1:9",
        "http://me:secret@127.0.0.1:99999",
        "http://me:secret@[::1",
        "http://[::1",
    ],
)
@pytest.mark.parametrize("url", ["http://server.example/v1/models/a", "grpc://server.example:8500/a"])
def test_no_error_has_the_password_of_a_proxy(proxy, text, url):
    proxy(text)
    with pytest.raises(InputError) as caught:
        connect(url, retries=0, timeout=1).predict([b"x"])
    assert "secret" not in str(caught.value)
    if url.startswith("http"):
        assert re.search(r"[Tt]he proxy (http://)?(127\.0\.0\.1:9+|\[::1) of the environment", str(caught.value))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (http("200 OK", "<html>sign in"), "unexpected response"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://proxy.example/sign-in\r\nContent-Length: 0\r\n\r\n", "redirects to"),
        (http("407 Proxy Authentication Required", ""), "407"),
    ],
)
def test_a_proxy_that_answers_for_the_server_is_named(proxy, raw, fault):
    with answering(raw) as url:
        place = url.partition("/v1")[0]
        proxy(place)
        with pytest.raises(
            InputError, match=rf"{fault}.* \(through the proxy {place} of the environment; NO_PROXY=HOST"
        ):
            connect("http://server.example/v1/models/a", retries=0).predict([b"x"])


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_is_bypassed_on_loopback_and_named_without_its_password_elsewhere(monkeypatch, name):
    """The proxy listens nowhere: who uses it fails."""
    for other in ("http_proxy", "HTTP_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "http://me:secret@127.0.0.1:9")
    body = json.dumps({"outputs": {"a": [0.5], "decoded": [True], "schema_hash": ["ab"]}})
    with answering(http("200 OK", body)) as url:
        outputs = connect(url).predict([b"x"])
    assert (outputs["a"], outputs["decoded"], outputs["schema_hash"]) == (0.5, True, "ab")
    with pytest.raises(
        InputError, match=r"through the proxy http://127\.0\.0\.1:9 of the environment; NO_PROXY"
    ) as caught:
        connect("http://server.example:8501/v1/models/a", retries=0, timeout=5).predict([b"x"])
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "server.example")
    with pytest.raises(InputError, match="cannot be reached") as caught:
        connect("http://server.example:8501/v1/models/a", retries=0, timeout=5).predict([b"x"])
    assert "proxy" not in str(caught.value)


def test_a_server_that_is_busy_is_asked_again_and_its_message_shown_at_the_end(monkeypatch):
    monkeypatch.setattr(rest_client, "FIRST_PAUSE", 0.01)
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 17\r\n\r\n" + b'{"error": "busy"}'
    with answering(busy) as url, pytest.raises(InputError, match=r":predict: 503: busy$"):
        connect(url, retries=2).predict([b"x"])


@pytest.mark.parametrize("headers", [{"Bad Name": "x"}, {"A": "x\r\nB: y"}, {"": "x"}, {"A": "é"}])
def test_a_header_that_is_invalid_is_refused_without_its_value(headers):
    with pytest.raises(InputError, match="expected NAME: VALUE") as caught:
        connect("http://127.0.0.1:1/v1/models/a", headers=headers)
    assert "B: y" not in str(caught.value)


def test_certificates_that_are_none_are_refused(tmp_path):
    (tmp_path / "roots.pem").write_text("nothing")
    for name, fault in (("roots.pem", "not a PEM file"), ("none.pem", "no such file")):
        with pytest.raises(InputError, match=f"{name}: {fault}"):
            connect("grpcs://127.0.0.1:1/a", tls_roots=tmp_path / name)
