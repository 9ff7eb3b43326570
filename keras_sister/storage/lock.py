"""One process at a time in a folder."""

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from keras_sister.errors import InputError
from keras_sister.storage.json_files import write_text
from keras_sister.storage.leftovers import remove_leftovers

OWNER = ".lock-owner.json"
"""Name of the file that says who holds a folder; it is meaningful only while the lock is held."""

_CANNOT_LOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path, *, wait: float = 0) -> Iterator[None]:
    """Hold a folder for this process; create it if it does not exist.

    The operating system releases the lock when the process ends, however it ends. What killed processes left in the
    folder and its subfolders is removed.

    Args:
        folder: the folder.
        wait: seconds to wait for another process that holds it.

    Raises:
        InputError: if another process holds the folder, saying which; or if the file system cannot lock files.
        OSError: if the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A soft lock would outlive a process that is killed.
    lock = FileLock(folder / ".lock", timeout=wait, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{folder}: {_owner(folder)} is working in this folder; wait for it or stop it.") from error
    except NotImplementedError as error:
        raise _cannot_lock(folder, error) from error
    except OSError as error:
        if error.errno in _CANNOT_LOCK:
            raise _cannot_lock(folder, error) from error
        error.filename = error.filename or str(folder)
        raise
    try:
        for place in (folder, *(entry for entry in folder.iterdir() if entry.is_dir())):
            remove_leftovers(place, held=True)
        _write_owner(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink()
        lock.release()


def _write_owner(folder: Path) -> None:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": time.strftime("%F %T")}
    write_text(folder / OWNER, json.dumps(owner))


def _owner(folder: Path) -> str:
    """Who holds the folder, as text."""
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} ({owner['command']}, since {owner['since']})"
    except (OSError, ValueError, LookupError, TypeError):  # it has just started
        return "another process"


def _cannot_lock(folder: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{folder}: this file system cannot lock files: {reason}. Choose a folder on a local disk.")
