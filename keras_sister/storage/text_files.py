"""Text files of users and runs, read whole or as a stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from keras_sister.errors import InputError
from keras_sister.storage.regular_files import check_regular


def read_text(path: Path, *, max_bytes: int) -> str:
    """Read a UTF-8 text file.

    Args:
        path: a regular file; a pipe or a device would never end.
        max_bytes: size from which a file is refused unread.

    Raises:
        InputError: if the file is missing, is larger, is not a regular file or is not text, naming it.
    """
    with open_text(path, max_bytes=max_bytes, newline=None) as stream:
        return stream.read()


@contextmanager
def open_text(path: Path, *, max_bytes: int, newline: str | None) -> Iterator[TextIO]:
    """Open a UTF-8 text file to be read line by line.

    Args:
        path, max_bytes: see `read_text`.
        newline: see `open`; ``""`` for `csv.reader`.

    Raises:
        InputError: as `read_text` does, at whatever line.

    Example:
        >>> with open_text(Path("issues.csv"), max_bytes=1_000_000, newline="") as stream:
        ...     heading = next(csv.reader(stream))
    """
    check_regular(path, max_bytes=max_bytes)
    try:
        with path.open(encoding="utf-8", newline=newline) as stream:
            yield stream
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8.") from error
