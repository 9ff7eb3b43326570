"""Photos as they are sent: their bytes, unread."""

import os
from pathlib import Path


def read_photo(photo: Path) -> tuple[bytes, str | None]:
    """A file's bytes, or none and why."""
    try:
        return photo.read_bytes(), None
    except OSError as error:
        return b"", error.strerror or os.strerror(error.errno or 0)
