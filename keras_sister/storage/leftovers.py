"""Temporary files and folders that killed processes left: ``.PID-HOST-…`` goes when that process is gone."""

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path


def aside_prefix() -> str:
    """What the name of a temporary file or folder of this process begins with, such as ``.4711-myhost-``."""
    return f".{os.getpid()}-{socket.gethostname()}-"


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that have ended left in a folder, by `aside_prefix`.

    What another machine left stays: whether its process still runs cannot be told.
    """
    for aside in folder.glob(f".[0-9]*-{socket.gethostname()}-*"):
        if _is_running(int(aside.name[1:].partition("-")[0])):
            continue
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)  # another process may be removing it, too
        else:
            with suppress(OSError):
                aside.unlink()


def _is_running(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
