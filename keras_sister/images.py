"""From image bytes to pixels, in TensorFlow operations only, so that the same code runs inside a SavedModel.

Decoding uses the accurate DCT and resizing is antialiased bilinear. Decoding equals Pillow's bit for bit; resizing
differs from Pillow's by at most one grey level. TensorFlow's defaults differ by up to 8 and 97 levels.
"""

import tensorflow as tf

from keras_sister.photo_files import MAX_PIXELS

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"


def decode(contents: tf.Tensor) -> tf.Tensor:
    """Decode one JPEG or PNG.

    Grey, palette and CMYK images become RGB and an alpha channel is dropped, as Pillow's ``convert("RGB")`` does.
    16-bit images are reduced to 8 bits (high byte). An EXIF orientation is ignored.

    Args:
        contents: scalar string tensor, the file's bytes.

    Returns:
        uint8 tensor, shape (height, width, 3), RGB.

    Raises:
        tf.errors.InvalidArgumentError: for other bytes, a truncated image, or one of more than `MAX_PIXELS`.

    Example:
        >>> decode(tf.io.read_file("me.jpg")).shape
        TensorShape([1280, 960, 3])
    """
    tf.debugging.assert_less_equal(
        _pixel_count(contents), tf.constant(MAX_PIXELS, tf.int64), "not a JPEG or PNG, or too many pixels"
    )
    image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    image.set_shape((None, None, 3))
    return image


def _pixel_count(contents: tf.Tensor) -> tf.Tensor:
    """Number of pixels that the header of a JPEG or PNG declares: int64 scalar."""
    start = tf.strings.join([tf.strings.substr(contents, 0, 24), bytes(24)])  # pads short files
    size = tf.case(
        [
            # Every PNG begins with the chunk IHDR, which begins with width and height.
            (
                _starts_with(start, _PNG),
                lambda: tf.io.decode_raw(tf.strings.substr(start, 16, 8), tf.int32, little_endian=False),
            ),
            (_starts_with(start, _JPEG), lambda: tf.io.extract_jpeg_shape(contents)[:2]),
        ],
        default=lambda: tf.fill((2,), 2**31 - 1),  # refuses the other formats that decode_jpeg accepts
    )
    return tf.reduce_prod(tf.cast(size, tf.int64))


def _starts_with(start: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(start, 0, len(magic)), magic)


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resize images to a square. The aspect ratio changes, so that nothing at the border is cropped.

    Args:
        image: uint8 tensor, shape (height, width, channels) or (batch, height, width, channels).
        size: height and width of the result, in pixels.

    Returns:
        uint8 tensor, shape (size, size, channels) or (batch, size, size, channels).
    """
    resized = tf.image.resize(image, (size, size), method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def to_masks(probability: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Convert person probabilities to masks of another size.

    Args:
        probability: float32 tensor, shape (batch, rows, columns, 1), in [0, 1].
        height, width: size of the masks, in pixels.

    Returns:
        uint8 tensor, shape (batch, height, width, 1); 255 = person, never 1.
    """
    probability = tf.image.resize(probability, (height, width), antialias=True)
    mask = tf.cast(tf.round(255 * tf.clip_by_value(probability, 0, 1)), tf.uint8)
    # A mask without values above 1 would be read as one of zeros and ones, by `MaskedMaxPooling2D` and `MaskFolder`.
    return tf.where(mask == 1, tf.zeros_like(mask), mask)
