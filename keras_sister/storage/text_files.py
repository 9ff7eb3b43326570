"""Small text files of users and runs, read whole."""

from pathlib import Path

from keras_sister.errors import InputError


def read_text(path: Path, *, max_bytes: int) -> str:
    """Read a UTF-8 text file.

    Args:
        path: a regular file; a pipe or a device would never end.
        max_bytes: size from which a file is refused unread.

    Raises:
        InputError: if the file is missing, is larger, is not a regular file or is not text, naming it.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}.")
        size = path.stat().st_size
        if size > max_bytes:
            raise InputError(f"{path}: {size:,} bytes; a file of this kind has at most {max_bytes:,}.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8.") from error
