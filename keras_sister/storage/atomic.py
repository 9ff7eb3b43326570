"""Atomic file writes: a file is either complete or absent, whenever the process is killed."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from keras_sister.storage.leftovers import aside_prefix, remove_leftovers

_LONGEST = 255  # bytes of a name, in most file systems

_swept: set[Path] = set()
"""The folders in which this process has removed what killed ones left."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a temporary file beside `path`, with the same suffix, and rename it when it is complete.

    What killed processes left in the folder is removed before the first file of this process is written there.

    Args:
        path: the file to create or replace.
        write: called with the temporary path; must write the file there.

    Raises:
        OSError: if the file cannot be written, naming it, or if a folder, a pipe or a device is there. The temporary
            file is removed.

    Example:
        >>> write_atomically(Path("summary.json"), lambda temporary: temporary.write_text("{}"))
    """
    if path.parent not in _swept:
        remove_leftovers(path.parent)
        _swept.add(path.parent)
    if path.exists() and not path.is_file():  # a rename would replace a device, such as /dev/null
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    temporary = path.with_name(_temporary_name(path.name))
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:  # that of a full disk names no file
        if error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_name(name: str) -> str:
    """The name, or where it would become too long a hash of it with its suffix, marked as one of this process."""
    if len(os.fsencode(aside_prefix() + name)) > _LONGEST:
        name = f"{hashlib.sha256(os.fsencode(name)).hexdigest()}{Path(name).suffix}"
    return aside_prefix() + name
