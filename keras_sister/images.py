"""From a JPEG or PNG to pixels: the one way for training, cross-validation, tagging and serving.

Decoding uses the accurate DCT and resizing is antialiased bilinear, so that both agree with Pillow: decoding bit for
bit, resizing within one grey level. TensorFlow's defaults differ by up to 8 and 97 levels.
"""

import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError

MAX_PIXELS = 89_478_485
"""The most that a photo may have, as Pillow has it: a small file that claims more is an attack on the memory."""

_ENDINGS = (".jpg", ".jpeg", ".png")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"


def photos_in(places: Iterable[Path]) -> list[Path]:
    """Photos as a user names them: files as they are, and for a folder the JPEGs and PNGs in it, by name.

    Raises:
        InputError: for a folder without any.
    """
    photos: list[Path] = []
    for place in places:
        found = [place]
        if place.is_dir():
            found = sorted(file for file in place.glob("[!.]*") if file.suffix.lower() in _ENDINGS)
            if not found:
                raise InputError(f"{place}: no JPEG or PNG in this folder.")
        photos += found
    return photos


def read(photo: Path) -> bytes:
    """The bytes of a photo, once its header was looked at.

    Raises:
        InputError: if the file is missing, no image, or claims more pixels than `MAX_PIXELS`, naming it.
    """
    try:
        contents = photo.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.open(io.BytesIO(contents), formats=("JPEG", "PNG")).close()  # reads the header only
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{photo}: more than {MAX_PIXELS:,} pixels; make it smaller.") from error
    except OSError as error:
        reason = error.strerror or "not a readable JPEG or PNG"
        raise InputError(f"{photo}: {reason}. 'sister-keras data check' lists every such photo.") from error
    return contents


def decode(contents: tf.Tensor) -> tf.Tensor:
    """Decode one JPEG or PNG.

    Grey, palette and CMYK images become RGB and an alpha channel is dropped, as Pillow's ``convert("RGB")`` does; of 16
    bits the high ones are taken. An EXIF orientation is ignored: photos are taken as they are stored.

    Args:
        contents: scalar string tensor, the file's bytes.

    Returns:
        uint8 tensor, shape (height, width, 3), RGB.

    Raises:
        tf.errors.InvalidArgumentError: for bytes that are neither, a truncated image, or one of more than `MAX_PIXELS`.
    """
    tf.debugging.assert_less_equal(
        _pixels(contents), tf.constant(MAX_PIXELS, tf.int64), "not a JPEG or PNG, or too many pixels"
    )
    image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    image.set_shape((None, None, 3))
    return image


def _pixels(contents: tf.Tensor) -> tf.Tensor:
    """How many pixels a JPEG or PNG has, by its header: int64 scalar."""
    start = tf.strings.join([tf.strings.substr(contents, 0, 24), bytes(24)])  # there may be less
    size = tf.case(
        [
            # Width and height begin the first chunk, and every PNG begins with that chunk.
            (
                _begins(start, _PNG),
                lambda: tf.io.decode_raw(tf.strings.substr(start, 16, 8), tf.int32, little_endian=False),
            ),
            (_begins(start, _JPEG), lambda: tf.io.extract_jpeg_shape(contents)[:2]),
        ],
        default=lambda: tf.fill((2,), 2**31 - 1),  # whatever else could be decoded is refused too
    )
    return tf.reduce_prod(tf.cast(size, tf.int64))


def _begins(start: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(start, 0, len(magic)), magic)


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Bring images to a square, whole: the aspect ratio is given up so that nothing at the border is lost.

    Args:
        image: uint8 tensor, shape (height, width, channels) or (batch, height, width, channels).
        size: height and width to make, in pixels.

    Returns:
        uint8 tensor, shape (size, size, channels) or (batch, size, size, channels).
    """
    resized = tf.image.resize(image, (size, size), method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def to_masks(probability: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """A segmenter's answer as masks, the one way for the view store, cutouts and serving.

    Args:
        probability: float32 tensor, shape (batch, rows, columns, 1), of *person*, in [0, 1].
        height, width: of the masks, in pixels.

    Returns:
        uint8 tensor, shape (batch, height, width, 1), 255 = surely person.
    """
    probability = tf.image.resize(probability, (height, width), antialias=True)
    return tf.cast(tf.round(255 * tf.clip_by_value(probability, 0, 1)), tf.uint8)
