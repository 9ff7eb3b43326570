"""Small pictures inside an HTML page."""

import base64
import io
from pathlib import Path

from PIL import Image, ImageOps

LARGEST = 144
"""Height and width of a picture in pixels; smaller ones stay as they are."""

_QUALITY = 80


def thumbnail(picture: Image.Image) -> Image.Image:
    """A copy of a picture of at most `LARGEST` pixels, in RGB."""
    small = picture.convert("RGB")
    small.thumbnail((LARGEST, LARGEST))
    return small


def data_uri(picture: Image.Image) -> str:
    """A picture as the ``data:`` URI of a JPEG of at most `LARGEST` pixels."""
    buffer = io.BytesIO()
    thumbnail(picture).save(buffer, format="JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def photo_thumbnail(photo: Path) -> str | None:
    """The `data_uri` of a photo, upright; None if Pillow cannot read it."""
    try:
        with Image.open(photo) as opened:
            opened.draft("RGB", (2 * LARGEST, 2 * LARGEST))  # decodes a JPEG at a fraction of its size
            return data_uri(ImageOps.exif_transpose(opened))
    except Exception:  # Pillow raises OSError, SyntaxError, struct.error and others for broken files
        return None
