"""Errors of the operating system reach the terminal as one line, from children too."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.errors import InputError
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.disk_errors import disk_error

TINY = [
    "--system",
    "baseline",
    "--backbone",
    "resnet_mini",
    "--weights",
    "none",
    "--size",
    "32",
    "--folds",
    "2",
    "--epochs",
    "1",
]


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
    message = f"{tmp_path}/summary.json: No space left on device. Free some space and start the command again."
    assert str(disk_error(caught.value)) == message


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


def test_without_a_home_folder_the_variable_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_SISTER_CACHE", "~no-such-user/cache")
    with pytest.raises(InputError, match=r"no home folder for the cache; set KERAS_SISTER_CACHE"):
        cache_folder()


def test_a_child_of_cv_says_it_in_one_line(dataset_folder, tmp_path):
    environment = {**os.environ, "KERAS_SISTER_CACHE": "/proc/no-cache"}
    command = [sys.executable, "-m", "cli", "cv", str(dataset_folder), *TINY, "--out", str(tmp_path / "run")]
    child = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert child.returncode == 1
    assert "Set KERAS_SISTER_CACHE to a folder that can be written to" in child.stderr
    assert "Traceback" not in child.stderr
    assert len([line for line in child.stderr.splitlines() if "Error" in line]) == 1
