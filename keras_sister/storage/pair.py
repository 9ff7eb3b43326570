"""A file with a second one beside it: both are there, or neither."""

import os
from contextlib import suppress
from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.storage.json_files import write_text


def check_new(file: Path) -> None:
    """Check that there is nothing yet.

    Raises:
        InputError: if there is, a dead link included.
    """
    if os.path.lexists(file):
        raise InputError(f"{file}: already exists; choose another --out, or remove it.")


def write_pair(file: Path, text: str, *, beside: Path, beside_text: str) -> None:
    """Write two new text files in UTF-8, the one beside first: where `file` is, both are.

    A process that is killed between them leaves `beside`, so one with the same text is not in the way.

    Raises:
        InputError: if a file exists already.
        OSError: if a file cannot be written; then neither is there.
    """
    check_new(file)
    if file == beside:
        raise InputError(f"{file}: the name of a second file that is written beside it; give --out another suffix.")
    if not _holds(beside, beside_text):
        check_new(beside)
        write_text(beside, beside_text)
    try:
        write_text(file, text)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _holds(file: Path, text: str) -> bool:
    try:
        return file.is_file() and file.read_bytes() == text.encode()
    except OSError:
        return False
