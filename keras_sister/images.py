"""From image bytes to pixels, in TensorFlow operations only, so that the same code runs inside a SavedModel.

Decoding uses the accurate DCT and resizing is antialiased bilinear. Decoding equals Pillow's bit for bit; resizing
differs from Pillow's by at most one grey level. TensorFlow's defaults differ by up to 8 and 97 levels.

Whoever changes a pixel raises `keras_sister.photo_files.PIXELS_VERSION`.

All photos are taken to be sRGB: an embedded ICC profile is ignored. ``sister-keras data check`` counts other profiles.
"""

from contextlib import AbstractContextManager

import tensorflow as tf

from keras_sister.orientation import jpeg_exif, orientation_in, png_header, turn, webp_exif
from keras_sister.photo_files import MAX_PIXELS

_JPEG, _PNG, _WEBP = range(3)

_WEBP_SIZES = (
    *((21, 0, 14, 1), (21, 14, 14, 1)),  # lossless
    *((24, 0, 24, 1), (27, 0, 24, 1)),  # extended
    *((26, 0, 14, 0), (28, 0, 14, 0)),  # lossy
    (20, 1, 1, 0),  # extended: whether it is an animation
)
"""Where widths and heights are in a WebP: first byte, bits to skip, number of bits, what to add."""


def decode(contents: tf.Tensor) -> tf.Tensor:
    """Decode one JPEG, PNG or WebP, upright and opaque.

    Grey, palette and CMYK images become RGB. The EXIF orientation is applied, as Pillow's ``exif_transpose`` does.
    Transparency is flattened on white, as Pillow's ``alpha_composite`` does. 16-bit images are reduced to 8 bits (high
    byte). Of an MPO the first image is decoded.

    Args:
        contents: scalar string tensor, the file's bytes.

    Returns:
        uint8 tensor, shape (height, width, 3), RGB.

    Raises:
        tf.errors.InvalidArgumentError: for other bytes, a truncated or animated image, or one of more than
            `MAX_PIXELS`.

    Example:
        >>> decode(tf.io.read_file("me.jpg")).shape
        TensorShape([1280, 960, 3])
    """
    return turn(*decode_as_stored(contents))


@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def decode_as_stored(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode one photo without turning it upright: turning costs less after resizing.

    It is 800 operations, nearly all of them for headers: traced once a process, it takes a tenth of the time
    outside of graphs, and pipelines do not trace it again.

    Args, Raises: see `decode`.

    Returns:
        The pixels, uint8 tensor, shape (height, width, 3), RGB, and the EXIF orientation, int32 scalar, 1 to 8, for
        `keras_sister.orientation.turn`.
    """
    start = tf.strings.substr(contents, 0, tf.minimum(tf.strings.length(contents), 12))
    is_webp = tf.strings.regex_full_match(start, rb"(?s)RIFF\C{4}WEBP")
    kinds = tf.stack([_starts_with(start, b"\xff\xd8\xff"), _starts_with(start, b"\x89PNG\r\n\x1a\n"), is_webp])
    known = tf.debugging.assert_equal(tf.reduce_any(kinds), True, "not a JPEG, PNG or WebP")
    with tf.control_dependencies([known] if known is not None else []):
        kind = tf.argmax(tf.cast(kinds, tf.int32), output_type=tf.int32)
    image, exif = tf.switch_case(
        kind,
        {
            _JPEG: lambda: _decode_jpeg(contents),
            _PNG: lambda: _decode_png(contents),
            _WEBP: lambda: _decode_webp(contents),
        },
    )
    image.set_shape((None, None, 3))
    return image, orientation_in(exif)


def _decode_jpeg(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with _at_most_max_pixels(tf.io.extract_jpeg_shape(contents)[:2]):
        image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    return image, jpeg_exif(contents)


def _decode_png(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # Every PNG begins with the chunk IHDR, which begins with width and height.
    size = tf.io.decode_raw(tf.strings.substr(_padded(contents, 24), 16, 8), tf.int32, little_endian=False)
    with _at_most_max_pixels(size):
        exif, transparent = png_header(contents)
        image = tf.cond(
            transparent,
            lambda: _on_white(tf.io.decode_png(contents, channels=4)),
            lambda: tf.io.decode_png(contents, channels=3),
        )
    return image, exif


def _decode_webp(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with _at_most_max_pixels(_webp_size(contents)):
        image = tf.raw_ops.DecodeWebP(contents=contents, channels=0)[0]
    image = tf.cond(tf.shape(image)[2] == 4, lambda: _on_white(image), lambda: image)
    return image, webp_exif(contents)


def _webp_size(contents: tf.Tensor) -> tf.Tensor:
    """Width and height that the header of a WebP declares: int32 (2,). Those of an animation are too large."""
    head = _padded(contents, 32)  # RIFF, its size, WEBP, the kind and its size, and from byte 20 on its own header
    kind = tf.strings.substr(head, 12, 4)
    # Lossless: 14 bits each behind one byte. Extended: flags, then 24 bits each. Lossy: 14 bits each behind six bytes.
    places, shifts, bits, more = zip(*_WEBP_SIZES, strict=True)
    words = tf.io.decode_raw(tf.strings.substr(head, places, [4] * len(places)), tf.int32)[:, 0]
    sizes = tf.bitwise.bitwise_and(tf.bitwise.right_shift(words, shifts), [2**n - 1 for n in bits]) + more
    is_extended = kind == b"VP8X"
    size = tf.where(kind == b"VP8L", sizes[:2], tf.where(is_extended, sizes[2:4], sizes[4:6]))
    return tf.where(is_extended & (sizes[6] == 1), 2**31 - 1, size)


def _at_most_max_pixels(size: tf.Tensor) -> AbstractContextManager:
    """A context in which operations run only if an image of this size, integer (2,), may be decoded."""
    pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    check = tf.debugging.assert_less_equal(pixels, tf.constant(MAX_PIXELS, tf.int64), "too many pixels, or animated")
    return tf.control_dependencies([check] if check is not None else [])


def _on_white(image: tf.Tensor) -> tf.Tensor:
    """Flatten an image, uint8 (height, width, 4), on white, rounded as Pillow does: uint8 (height, width, 3)."""
    levels = tf.cast(image, tf.int32)
    alpha = levels[..., 3:]
    mixed = levels[..., :3] * alpha + 255 * (255 - alpha) + 128
    return tf.cast((mixed + mixed // 256) // 256, tf.uint8)


def _padded(contents: tf.Tensor, length: int) -> tf.Tensor:
    """The first bytes of a file; zeros behind the end of a short one."""
    return tf.strings.join([tf.strings.substr(contents, 0, length), bytes(length)])


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
