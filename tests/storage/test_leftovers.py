"""What killed processes left goes when the next one starts; nothing else does."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_sister.storage.json_files import write_json
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers
from keras_sister.storage.lock import locked

HALF_WAY = """
import sys, time
from pathlib import Path
from keras_sister.storage.atomic import write_atomically

def write(temporary):
    temporary.write_text("half")
    time.sleep(600)

write_atomically(Path(sys.argv[1]), write)
"""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder in which a process was killed while it wrote ``a.json``, and where another still writes."""
    command = [sys.executable, "-c", HALF_WAY, str(tmp_path / "a.json")]
    with subprocess.Popen(command) as child:
        while not [file for file in tmp_path.iterdir() if file.read_bytes()]:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert [file.name.split("-")[2] for file in tmp_path.iterdir()] == [str(child.pid)]
    (tmp_path / f".keras-sister-{os.getppid()}-{socket.gethostname()}-a.json").write_text("half")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {file.name.split("-")[2] if "sister" in file.name else file.name for file in folder.iterdir()}


def test_the_next_write_removes_what_a_killed_process_left(left):
    write_json(left / "b.json", {})
    assert names(left) == {str(os.getppid()), "b.json"}


def test_files_of_users_and_of_other_machines_stay(tmp_path):
    kept = [".keras-sister-1x-host-a", ".keras-sister-", ".99999999-photo.jpg", ".2024-01-01-x.jpg"]
    kept += [".keras-sister-99999999-another-host-a.json"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    (tmp_path / f".keras-sister-99999999-{socket.gethostname()}-a.json").write_text("half")
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)  # noqa: PTH208
    remove_leftovers(tmp_path, held=True)  # nobody else works here
    assert sorted(os.listdir(tmp_path)) == sorted(kept[:-1])  # noqa: PTH208


def test_who_holds_a_folder_removes_them_there_and_one_folder_below(left, tmp_path):
    (tmp_path / "fold-00").mkdir()
    (tmp_path / "fold-00" / ".keras-sister-7-a-computer-checkpoint.npz").write_text("half")
    with locked(tmp_path):
        assert names(tmp_path) == {str(os.getppid()), "fold-00", ".lock", ".lock-owner.json"}
        assert names(tmp_path / "fold-00") == set()


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / f".keras-sister-99999999-{socket.gethostname()}-x").symlink_to(tmp_path / "precious")
    remove_leftovers(tmp_path)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["file", "precious"]


def test_names_of_the_greatest_length_have_room_for_the_mark(tmp_path):
    for name in ("x" * 250 + ".json", "é" * 125 + ".json"):
        write_json(tmp_path / name, {})
        assert (tmp_path / name).read_text() == "{}\n"
    assert aside_prefix().startswith(".")
