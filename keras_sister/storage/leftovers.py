"""Temporary files and folders that killed processes left: ``.keras-sister-PID-HOST-…`` goes at the next start."""

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path

_MARK = ".keras-sister-"


def aside_prefix() -> str:
    """What the name of a temporary file or folder of this process begins with: ``.keras-sister-4711-myhost-``."""
    return f"{_MARK}{os.getpid()}-{socket.gethostname()}-"


def remove_leftovers(folder: Path, *, held: bool = False) -> None:
    """Remove what processes that have ended left in a folder, by `aside_prefix`.

    Args:
        folder: the folder; what is in its subfolders stays.
        held: whether this process holds the lock of the folder. Then nobody on another machine works there, and what
            was left by one goes, too; whether its process still runs could not be told.
    """
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_MARK)]  # noqa: PTH208 - no path for each
    except OSError:  # who writes there says it better
        return
    for name in names:
        pid, _, rest = name.removeprefix(_MARK).partition("-")
        here = rest.startswith(f"{socket.gethostname()}-")
        if not pid.isdecimal() or (_is_running(int(pid)) if here else not held):
            continue
        aside = folder / name
        if aside.is_dir() and not aside.is_symlink():
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
