"""Atomic file writes: a file is either complete or absent, whenever the process is killed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_LONGEST = 200  # bytes of a name that is kept in the temporary one


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a temporary file beside `path`, with the same suffix, and rename it when it is complete.

    Args:
        path: the file to create or replace.
        write: called with the temporary path; must write the file there.

    Raises:
        OSError: if the file cannot be written, with a file name. The temporary file is removed.

    Example:
        >>> write_atomically(Path("summary.json"), lambda temporary: temporary.write_text("{}"))
    """
    temporary = path.with_name(f".{os.getpid()}-{_shortened(path.name)}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:  # that of a full disk names no file
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _shortened(name: str) -> str:
    """A name that leaves room for a prefix; file systems allow 255 bytes."""
    contents = os.fsencode(name)
    if len(contents) <= _LONGEST:
        return name
    return f"{hashlib.sha256(contents).hexdigest()}{Path(name).suffix}"
