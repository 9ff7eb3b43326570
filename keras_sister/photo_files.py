"""Photo files on disk: which files are photos, and their bytes. No TensorFlow."""

import io
import os
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from keras_sister.errors import InputError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Suffixes of photo files, in lower case."""

MAX_PIXELS = 89_478_485
"""Largest number of pixels of a photo, Pillow's own limit. A small file that declares more could exhaust the memory."""

_MAX_BYTES = 100_000_000  # more than any photo of MAX_PIXELS has


def is_photo_name(name: str | Path) -> bool:
    """Whether a file is named like a photo: a suffix of `PHOTO_SUFFIXES`, in any case, and no leading dot."""
    name = Path(name)
    return name.suffix.lower() in PHOTO_SUFFIXES and not name.name.startswith(".")


def find_photos(places: Iterable[Path]) -> list[Path]:
    """Expand files and folders to photo files: files as they are, and the photos directly in each folder, by name.

    Raises:
        InputError: for a folder without photos.
    """
    photos: list[Path] = []
    for place in places:
        found = sorted(file for file in place.iterdir() if is_photo_name(file)) if place.is_dir() else [place]
        if not found:
            raise InputError(f"{place}: no JPEG or PNG in this folder.")
        photos += found
    return photos


def read_photo(path: Path) -> bytes:
    """Read a photo file and check its header.

    Raises:
        InputError: if the file is missing, is not a JPEG or PNG, or declares more than `MAX_PIXELS`, naming it.
    """
    try:
        contents = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.open(io.BytesIO(contents), formats=("JPEG", "PNG")).close()  # reads the header only
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path}: more than {MAX_PIXELS:,} pixels; make it smaller.") from error
    except OSError as error:
        reason = error.strerror or "not a readable JPEG or PNG"
        raise InputError(f"{path}: {reason}. 'sister-keras data check' lists every unreadable photo.") from error
    return contents


def try_read(path: Path) -> tuple[bytes, str | None]:
    """Read a file without looking at its contents.

    Returns:
        The bytes and None; or no bytes and the reason why the file cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return b"", "not a file"
        if status.st_size > _MAX_BYTES:
            return b"", f"more than {_MAX_BYTES:,} bytes"
        return path.read_bytes(), None
    except OSError as error:
        return b"", error.strerror or os.strerror(error.errno or 0)
    except ValueError as error:  # a path with a null byte
        return b"", str(error)


def printable_path(path: str) -> str:
    r"""A path as valid text: bytes that are not UTF-8, as in names from old archives, become ``\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
