"""Two files that go together: whatever ends the command, `file` is never there without the other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_sister.errors import InputError
from keras_sister.storage.pair import write_pair

KILLED = """
import os, signal, sys
from pathlib import Path
from keras_sister.storage.pair import write_pair

def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("d.yaml"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
write_pair(Path(sys.argv[1]), "table: d.csv", beside=Path(sys.argv[1]).with_suffix(".csv"), beside_text="a,b")
"""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))  # noqa: PTH208


def test_a_killed_command_is_started_again(tmp_path):
    file = tmp_path / "d.yaml"
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)]).returncode < 0
    assert "d.csv" in names(tmp_path)
    assert "d.yaml" not in names(tmp_path)
    write_pair(file, "table: d.csv", beside=tmp_path / "d.csv", beside_text="a,b")
    assert [(tmp_path / name).read_text() for name in ("d.yaml", "d.csv")] == ["table: d.csv", "a,b"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "d.yaml.d").touch()
    with pytest.raises(OSError, match="Not a directory"):
        write_pair(tmp_path / "d.yaml.d" / "d.yaml", "", beside=tmp_path / "d.csv", beside_text="a,b")
    assert names(tmp_path) == ["d.yaml.d"]


def test_files_of_others_stay(tmp_path):
    (tmp_path / "d.csv").write_text("mine")
    with pytest.raises(InputError, match=r"d\.csv: already exists; choose another --out"):
        write_pair(tmp_path / "d.yaml", "new", beside=tmp_path / "d.csv", beside_text="new")
    assert names(tmp_path) == ["d.csv"]
    (tmp_path / "d.yaml").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"d\.yaml: already exists"):
        write_pair(tmp_path / "d.yaml", "new", beside=tmp_path / "e.csv", beside_text="new")
    assert (tmp_path / "d.csv").read_text() == "mine"
    assert names(tmp_path) == ["d.csv", "d.yaml"]


def test_two_files_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="give --out another suffix"):
        write_pair(tmp_path / "a.csv", "one", beside=tmp_path / "a.csv", beside_text="two")
    assert names(tmp_path) == []
