"""Kind and size of a file, before it is opened: reading a pipe or a device would never end."""

from pathlib import Path

from keras_sister.errors import InputError


def check_regular(path: Path, *, max_bytes: int | None = None) -> None:
    """Check that a path is a regular file, or a link to one.

    Args:
        path: the file.
        max_bytes: the most bytes that a file of its kind has.

    Raises:
        InputError: if it is missing, something else, or larger, naming it.

    Example:
        >>> check_regular(Path("/dev/zero"))
        InputError: /dev/zero: not a regular file.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}.")
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}.") from error
    if max_bytes is not None and size > max_bytes:
        raise InputError(f"{path}: {size:,} bytes; a file of this kind has at most {max_bytes:,}.")
