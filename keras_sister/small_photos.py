"""Photos read small and fast by Pillow, to be shown or compared: what models see, though not to the last level."""

from pathlib import Path

import numpy as np
from PIL import Image

from keras_sister.photo_kinds import exif_orientation

_TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""How photos of the EXIF orientations 2 to 8 are turned upright."""


def small_photo(photo: Path, size: int) -> Image.Image | None:
    """Read a photo upright, transparency flattened on white, 16-bit images reduced to 8 bits (high byte).

    Args:
        photo: the file.
        size: number of pixels that height and width need at least; a JPEG is decoded at a fraction of its size.

    Returns:
        An RGB image, or None for the few photos that TensorFlow decodes and Pillow does not.
    """
    try:
        with Image.open(photo) as opened:
            opened.draft("RGB", (size, size))
            orientation = exif_orientation(opened)
            stored = _on_white(_in_8_bits(opened))
    except Exception:  # Pillow raises OSError, SyntaxError, struct.error and others for broken files
        return None
    return stored if orientation == 1 else stored.transpose(_TURNS[orientation - 2])


def _in_8_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits, which Pillow would clip to 255, in 8 bits; others as they are."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
