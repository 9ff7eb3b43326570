import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tensorflow_serving.apis import predict_pb2

from cli.main import main
from keras_sister.client import rest_client, retry
from keras_sister.client.connect import connect, query_photos
from keras_sister.errors import InputError
from keras_sister.serving.predictions import Tags
from keras_sister.serving.tagger import Tagger

from ..exports import SCHEMA
from .server import Served, serving


@pytest.fixture(scope="module")
def served(sister_export) -> Iterator[Served]:
    with serving(sister_export.folder, "sister") as server:
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(rest_client, "FIRST_PAUSE", 0.01)


def assert_same_tags(found: list[Tags], expected: list[Tags]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.photo == theirs.photo
        assert [tag.value for tag in ours.attributes.values()] == [tag.value for tag in theirs.attributes.values()]
        probabilities = [[tag.probability for tag in tags.attributes.values()] for tags in (ours, theirs)]
        np.testing.assert_allclose(*probabilities, atol=1e-5)


@pytest.mark.parametrize("way", ["rest", "grpc"])
@pytest.mark.parametrize("form", ["row", "column"])
def test_tags_over_the_wire_are_those_of_the_export(served, sister_export, photos, tmp_path, way, form):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photos[0].read_bytes()[:200])
    asked = [*photos, broken, tmp_path / "none.jpg"]
    tagger = Tagger(sister_export.folder)
    found = list(query_photos(connect(getattr(served, way), rest_format=form), tagger.schema, asked, batch_size=3))
    expected = list(tagger.tag(asked, batch_size=3))
    assert [tags.error for tags in found] == [tags.error for tags in expected]
    assert [bool(tags.error) for tags in found] == [False] * 5 + [True] * 2
    assert_same_tags(found, expected)


def test_a_request_over_grpc_is_one_of_the_prediction_service(served, photos):
    connect(served.grpc).predict([photos[0].read_bytes()])
    request = served.requests[-1]
    assert isinstance(request, predict_pb2.PredictRequest)
    assert (request.model_spec.name, request.model_spec.signature_name) == ("sister", "serving_default")
    assert request.inputs["image_bytes"].string_val == [photos[0].read_bytes()]
    assert [dim.size for dim in request.inputs["image_bytes"].tensor_shape.dim] == [1]


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_busy_server_is_asked_again_but_not_for_ever(served, photos, way):
    contents, client = [photos[0].read_bytes()], connect(getattr(served, way), retries=2)
    before = len(served.requests)
    served.fail_with[:] = [503, 503]
    assert client.predict(contents)["decoded"].all()
    assert len(served.requests) == before + 3
    served.fail_with[:] = [503] * 3
    with pytest.raises(InputError, match="busy"):
        client.predict(contents)
    assert not served.fail_with


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_what_the_server_refuses_is_said_at_once(served, photos, way):
    before = len(served.requests)
    with pytest.raises(InputError, match="Servable not found"):
        connect(getattr(served, way).replace("sister", "brother")).predict([photos[0].read_bytes()])
    assert len(served.requests) == before + 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/v1/models/sister", "grpc://127.0.0.1:{port}/sister"])
def test_a_server_that_is_not_there(url):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = url.format(port=free.getsockname()[1])
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        connect(url, retries=1, timeout=2).predict([b"x"])


def test_a_server_that_never_answers_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/v1/models/sister", f"grpc://127.0.0.1:{port}/sister"):
            with pytest.raises(InputError, match=r"timed out: no .*response within 0.3 s \(--timeout\)"):
                connect(url, retries=0, timeout=0.3).predict([b"x"])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"neckline": np.zeros((2, 4), np.float32)}, r"neckline as float32 \(2, 4\); expected \(2, 3\)"),
        ({"neckline": np.zeros(2, np.float32)}, "neckline as float32"),
        ({"collar": np.zeros((2, 1), np.float32)}, "collar as float32"),
        ({"collar": np.zeros(1, np.float32)}, r"collar as float32 \(1,\)"),
        ({"collar": np.array([b"a", b"b"])}, "collar as"),
        ({"gender": np.array([0.5, np.nan], np.float32)}, "values of gender that are not finite"),
        ({"decoded": np.ones(3, bool)}, "decoded as bool"),
        ({"person_share": np.float32(0.5)}, "person_share as float32"),
    ],
)
def test_an_export_of_another_schema_is_noticed_by_its_shapes(photos, changed, fault):
    right = {"collar": np.zeros(2, np.float32), "neckline": np.zeros((2, 3), np.float32)}
    right["schema_hash"] = np.array([SCHEMA.hash.encode()] * 2, object)
    right |= {"gender": np.zeros(2, np.float32), "decoded": np.ones(2, bool), "person_share": np.zeros(2, np.float32)}

    class Server:
        def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
            return {**right, **changed}

    with pytest.raises(InputError, match=fault):
        list(query_photos(Server(), SCHEMA, photos[:2]))


def test_urls_of_a_model(served, photos):
    photo = [photos[0].read_bytes()]
    for url in (f"{served.rest}:predict", f"{served.rest}/", f"{served.grpc}/"):
        assert connect(url).predict(photo)["decoded"].all()
    assert connect("https://[::1]:1/a/v1/models/b/versions/2").url == "https://[::1]:1/a/v1/models/b/versions/2:predict"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e10])
def test_a_time_limit_that_is_none(timeout):
    with pytest.raises(InputError, match="timeout must be more than 0"):
        connect("http://host/v1/models/a", timeout=timeout)


@pytest.mark.parametrize(
    "url",
    [
        "me.jpg",
        "ftp://host/x",
        "http://host:8501",
        "http://host/v1/models/",
        "http://host/v1/models/a?x=1",
        "http://host:99999/v1/models/a",
        "http://me:word@host/v1/models/a",
        "http://a b/v1/models/a",
        "http://[::1/v1/models/a",
        "http://[zz]/v1/models/a",
        "http:///v1/models/a",
        "grpc://host:8500",
        "grpc://host:8500/a/b",
        "grpc://host/a",
    ],
)
def test_urls_that_name_no_model(url):
    with pytest.raises(InputError, match="expected http://HOST:8501/v1/models/NAME"):
        connect(url)


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_the_command(served, sister_export, photos, way):
    arguments = [
        "query",
        getattr(served, way),
        *map(str, photos),
        "--schema",
        str(sister_export.folder.parent),
        "--json",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["photo"] for line in lines] == list(map(str, photos))
    assert lines[0]["attributes"]["neckline"]["class"] in ("v_shape", "round", "other")


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_schema_of_another_version_is_refused_instead_of_naming_tags_wrongly(served, photos, tmp_path, way):
    """The same names and numbers of classes, in another order: only the hash tells."""
    attributes = SCHEMA.to_dict()["attributes"]
    for attribute in attributes:
        attribute["classes"].reverse()
    (tmp_path / "schema.json").write_text(json.dumps({"attributes": attributes}))
    arguments = ["query", getattr(served, way), str(photos[0]), "--schema", str(tmp_path / "schema.json")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "the hash of another schema: the server serves another export" in result.stderr


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_headers_reach_the_server(served, sister_export, photos, way):
    arguments = ["query", getattr(served, way), str(photos[0]), "--schema", str(sister_export.folder.parent)]
    result = CliRunner().invoke(main, [*arguments, "--header", "Authorization: Bearer a:b"])
    assert result.exit_code == 0, result.output
    assert served.headers[-1]["authorization"] == "Bearer a:b"
    assert "expected NAME: VALUE" in CliRunner().invoke(main, [*arguments, "--header", "secret"]).stderr


def test_grpc_bypasses_a_proxy_on_loopback_and_names_it_elsewhere(served, photos, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert connect(served.grpc).predict([photos[0].read_bytes()])["decoded"].all()
    with pytest.raises(InputError, match=r"proxy http://127\.0\.0\.1:9 of .*; no_proxy=HOST") as caught:
        connect("grpc://server.example:8500/a", retries=0, timeout=3).predict([b"x"])
    assert "secret" not in str(caught.value)


def test_a_grpc_header_of_bytes_is_refused():
    with pytest.raises(InputError, match="Header 'x-bin': gRPC has bytes"):
        connect("grpc://127.0.0.1:1/a", headers={"x-bin": "a"})


def test_another_export_is_noticed(served, photos, tmp_path):
    attributes = [{"name": "hat", "classes": ["no", "yes"]}]
    (tmp_path / "schema.json").write_text(json.dumps({"attributes": attributes}))
    arguments = ["query", served.rest, str(photos[0]), "--schema", str(tmp_path / "schema.json")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "has no output hat: the server serves another export" in result.stderr


@pytest.mark.skipif(
    shutil.which("tensorflow_model_server") is None, reason="no tensorflow_model_server on this machine"
)
def test_a_real_server(sister_export, photos, tmp_path):
    """With warm-up, batching and the model configuration of the export, at its own place."""
    folder = sister_export.folder.parent
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    config = tmp_path / "models.config"
    config.write_text((folder / "models.config").read_text().replace("/models/sister", str(folder.resolve())))
    command = ["tensorflow_model_server", f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]
    command += [f"--model_config_file={config}", "--enable_batching"]
    command += [f"--batching_parameters_file={folder / 'batching_parameters.txt'}"]
    rest = f"http://127.0.0.1:{ports[1]}/v1/models/sister"
    with subprocess.Popen(command) as server:
        try:
            _wait_for(rest, seconds=120)
            tagger = Tagger(Path(sister_export.folder))
            expected = list(tagger.tag(photos))
            for url in (rest, f"grpc://127.0.0.1:{ports[0]}/sister"):
                assert_same_tags(list(query_photos(connect(url), tagger.schema, photos)), expected)
        finally:
            server.terminate()


def _wait_for(url: str, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
                if "AVAILABLE" in answer.read().decode():
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(url)
