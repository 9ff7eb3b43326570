"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from keras_sister.errors import InputError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; create it if it does not exist.

    The operating system releases the lock when the process ends, however it ends.

    Raises:
        InputError: if another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise InputError(f"{folder}: another process is working in this folder; wait for it or stop it.") from error
