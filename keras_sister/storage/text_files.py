"""Small text files of users and runs, read whole."""

from pathlib import Path

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
    check_regular(path, max_bytes=max_bytes)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8.") from error
