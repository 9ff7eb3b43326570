"""Photos as they are sent: their bytes, unread."""

import os
import stat
from pathlib import Path

_MOST_BYTES = 100_000_000  # a photo of as many pixels as are decoded has less


def read_photo(photo: Path) -> tuple[bytes, str | None]:
    """A file's bytes, or none and why."""
    try:
        status = photo.stat()
        if not stat.S_ISREG(status.st_mode):
            return b"", "not a file"
        if status.st_size > _MOST_BYTES:
            return b"", f"more than {_MOST_BYTES:,} bytes"
        return photo.read_bytes(), None
    except OSError as error:
        return b"", error.strerror or os.strerror(error.errno or 0)
    except ValueError as error:  # a path with a null byte
        return b"", str(error)
