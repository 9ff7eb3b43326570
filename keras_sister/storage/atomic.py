"""Atomic file writes: a file is either complete or absent, whenever the process is killed."""

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a temporary file beside `path`, with the same suffix, and rename it when it is complete.

    Args:
        path: the file to create or replace.
        write: called with the temporary path; must write the file there.

    Raises:
        OSError: if the file cannot be written. The temporary file is removed.

    Example:
        >>> write_atomically(Path("summary.json"), lambda temporary: temporary.write_text("{}"))
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
