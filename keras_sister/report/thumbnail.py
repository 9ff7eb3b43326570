"""Small pictures inside an HTML page."""

import base64
import io
from pathlib import Path

from PIL import Image

from keras_sister.small_photos import small_photo

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
    """The `data_uri` of a photo, upright and on white; None if Pillow cannot read it."""
    small = small_photo(photo, 2 * LARGEST)
    return None if small is None else data_uri(small)
