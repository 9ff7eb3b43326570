import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_sister.errors import InputError
from keras_sister.storage.lock import locked

HOLD = """
import sys
from pathlib import Path
from keras_sister.storage.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_is_told_who_works_there(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {other.pid} on .*since.* is working .*; wait for it or stop it"):
            locked(tmp_path / "run").__enter__()
        other.kill()
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / ".lock-owner.json").exists()
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".lock"}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, number):
    """No such file system can be mounted in a test, so the system call fails as it does there."""

    def flock(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match=rf"{tmp_path}: this file system cannot lock files: .*local disk"):
        locked(tmp_path).__enter__()


def test_a_folder_that_cannot_be_made_has_a_name_in_its_error():
    with pytest.raises(OSError, match="/proc/none") as caught:
        locked(Path("/proc/none/run")).__enter__()
    assert caught.value.filename
