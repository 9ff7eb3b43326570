"""Errors of the operating system reach the terminal as one line, from children too."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from keras_sister.catalogue.previous_rows import PreviousRows
from keras_sister.catalogue.rows import FINGERPRINT
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.disk_errors import disk_error
from keras_sister.storage.json_files import write_json
from keras_sister.storage.lock import locked

from ..conftest import perform_tasks_here

SETTINGS = ["--system", "baseline", "--weights", "none", "--size", "32", "--folds", "2", "--epochs", "1"]


def test_the_way_out_of_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SISTER_CACHE", str(tmp_path / "home" / "cache"))
    for place in (tmp_path / "home", tmp_path / "home" / "cache" / "views" / "x"):
        message = str(disk_error(PermissionError(errno.EACCES, "Permission denied", str(place))))
        assert message.startswith(f"{place}: Permission denied. Set KERAS_SISTER_CACHE")
    elsewhere = disk_error(PermissionError(errno.EACCES, "Permission denied", b"/data/x"))
    assert str(elsewhere) == "/data/x: Permission denied."
    assert str(disk_error(OSError("encoder error -2\nmore"))) == "encoder error -2."
    assert str(disk_error(OSError())) == "OSError."


def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")

    def write(temporary: Path) -> None:
        with Path("/dev/full").open("w") as file:
            file.write("x")

    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(tmp_path / "summary.json", write)
    message = (
        f"{tmp_path}/summary.json: No space left on device."
        " Free some space and start the command again, a run with --resume."
    )
    assert str(disk_error(caught.value)) == message


def test_a_folder_that_takes_no_files_is_told_by_the_file_that_was_to_be_written():
    """Not by the temporary one, whose name nobody has chosen."""
    with pytest.raises(OSError, match=r"/proc/self/summary\.json") as caught:
        write_atomically(Path("/proc/self/summary.json"), lambda temporary: temporary.write_text("{}"))
    assert str(disk_error(caught.value)) == f"/proc/self/summary.json: {caught.value.strerror}."


def test_what_cannot_be_written_has_its_own_name_and_not_that_of_the_temporary_file(tmp_path):
    for write in (lambda file: write_json(file, {}), lambda file: write_atomically(file, Path.mkdir)):
        with pytest.raises(OSError, match="No such file") as caught:
            write(tmp_path / "none" / "summary.json")
        assert str(disk_error(caught.value)) == f"{tmp_path}/none/summary.json: No such file or directory."


def test_a_pipe_a_device_or_a_folder_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/null")
    for name in ("pipe", "folder", "device"):
        with pytest.raises(OSError, match="not a regular file") as caught:
            write_json(tmp_path / name, {})
        assert str(disk_error(caught.value)) == f"{tmp_path / name}: not a regular file."
    assert Path("/dev/null").is_char_device()
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["x" * 250 + ".json", "é" * 120 + ".json"])
def test_a_name_of_any_length_is_written_atomically(tmp_path, name):
    write_atomically(tmp_path / name, lambda temporary: temporary.write_text("{}"))
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), OSError("broken data stream")])
def test_an_error_without_a_file_name_is_no_traceback(monkeypatch, error):
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setitem(main.commands, "fail", fail)
    result = CliRunner().invoke(main, ["fail"])
    assert (result.exit_code, result.stderr) == (1, f"Error: {error.strerror or error}.\n")


def test_a_cache_in_an_unknown_home_names_the_variable(monkeypatch):
    monkeypatch.setenv("KERAS_SISTER_CACHE", "~no-such-user/cache")
    with pytest.raises(InputError, match=r"no home folder for the cache; set KERAS_SISTER_CACHE"):
        cache_folder()


def test_without_a_home_folder_the_variable_is_named(monkeypatch):
    """A user of a container who is not among its users."""
    for name in ("HOME", "XDG_CACHE_HOME", "KERAS_SISTER_CACHE", "KERAS_HOME"):
        monkeypatch.setenv(name, "")  # for `monkeypatch` to restore what the command sets
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    result = CliRunner().invoke(main, ["cache", "list"])
    message = "Error: ~: no home folder for the cache; set KERAS_SISTER_CACHE to a folder that can be written to.\n"
    assert (result.exit_code, result.stderr) == (1, message)
    assert os.environ["KERAS_HOME"] == tempfile.gettempdir()  # else Keras makes a folder named ~


def test_a_home_folder_that_does_not_exist_names_the_variable(monkeypatch):
    for name in ("XDG_CACHE_HOME", "KERAS_SISTER_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/proc/none")  # which not even root can make
    assert CliRunner().invoke(main, ["cache", "list"]).exit_code == 0
    with pytest.raises(OSError, match="/proc/none") as caught:
        locked(cache_folder() / "views").__enter__()
    assert str(disk_error(caught.value)).startswith("/proc/none: No such file or directory. Set KERAS_SISTER_CACHE")


def test_a_child_of_cv_says_it_in_one_line(dataset_folder, tiny, tmp_path):
    environment = {**os.environ, "KERAS_SISTER_CACHE": "/proc/no-cache"}
    options = [*SETTINGS, "--backbone", tiny, "--out", str(tmp_path / "run")]
    command = [sys.executable, "-m", "cli", "cv", str(dataset_folder), *options]
    child = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert child.returncode == 1
    assert "Set KERAS_SISTER_CACHE to a folder that can be written to" in child.stderr
    assert "Traceback" not in child.stderr
    assert len([line for line in child.stderr.splitlines() if "Error" in line]) == 1


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 kB; mounting one takes root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=96k", "none", str(disk)]
    if mount is None or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("cannot mount a file system here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)  # files may be mapped still


def test_a_cache_that_can_only_be_read_serves_what_it_holds(full_disk, tmp_path, monkeypatch):
    """Such as one that an administrator filled for others."""
    monkeypatch.setenv("KERAS_SISTER_CACHE", str(full_disk))
    photos = [tmp_path / f"{i}.png" for i in range(3)]
    for i, photo in enumerate(photos):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(photo)
    preprocessor = Preprocessor(None, size=8, views=("photo",))
    store = ViewStore(8, None)
    keys = store.fill(photos[:2], preprocessor)
    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    again = ViewStore(8, None)
    assert again.fill(photos[:2], preprocessor) == keys
    np.testing.assert_array_equal(again.open(keys).photos([0, 1])[:, 0, 0], [[0, 0, 0], [40, 0, 0]])
    with pytest.raises(OSError, match="Read-only") as caught:
        again.fill(photos, preprocessor)
    assert "Read-only file system. Set KERAS_SISTER_CACHE to a folder" in str(disk_error(caught.value))


def test_a_full_disk_ends_an_update_of_a_table_in_one_line(full_disk):
    """Its previous rows are in a database, whose errors are not those of the operating system."""
    rows = ({FINGERPRINT: f"{i}", "tags": "x" * 1000} for i in range(500))
    with pytest.raises(OSError, match=r"previous\.sqlite") as caught:
        PreviousRows(full_disk / "previous.sqlite", rows)
    assert str(disk_error(caught.value)) == (
        f"{full_disk}/previous.sqlite: database or disk is full."
        " Free some space and start the command again, a run with --resume."
    )


def test_a_copy_that_fills_the_disk_names_the_copy(tmp_path, full_disk):
    (tmp_path / "photo.jpg").write_bytes(b"x" * 200_000)
    with pytest.raises(OSError, match="No space left") as caught:
        shutil.copyfile(tmp_path / "photo.jpg", full_disk / "copy.jpg")
    assert str(disk_error(caught.value)).startswith(f"{full_disk}/copy.jpg: No space left on device. Free some space")


@pytest.mark.slow
def test_a_full_cache_ends_cv_in_one_line_and_the_run_resumes(dataset_folder, tiny, tmp_path, full_disk, monkeypatch):
    arguments = ["cv", str(dataset_folder), *SETTINGS, "--system", "segmented", "--backbone", tiny]
    arguments += ["--trainable", "head", "--segmenter", f"masks:{dataset_folder}/masks", "--out", str(tmp_path / "run")]
    command = [sys.executable, "-m", "cli", *arguments]
    environment = {**os.environ, "KERAS_SISTER_CACHE": str(full_disk)}
    child = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    (line,) = [line for line in child.stderr.splitlines() if "Error" in line]
    assert child.returncode == 1
    for words in (str(full_disk), "No space left on device. Free some space", "--resume", "Set KERAS_SISTER_CACHE"):
        assert words in line
    assert "Traceback" not in child.stderr
    assert [file for file in full_disk.rglob("*") if file.is_file()] == []
    perform_tasks_here(monkeypatch)
    resumed = CliRunner().invoke(main, [*arguments, "--resume"])
    assert resumed.exit_code == 0, resumed.stderr
