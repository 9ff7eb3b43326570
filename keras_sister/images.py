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

    It is a thousand operations, nearly all of them for headers: traced once a process, it takes a tenth of the time
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
    with _at_most_max_pixels(_header(contents, 16, 8, tf.int32, little_endian=False)):
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
    kind = tf.strings.substr(_padded(contents, 30), 12, 4)
    raw = tf.cast(_header(contents, 20, 10, tf.uint8), tf.int32)  # behind RIFF, its size, WEBP, the kind and its size
    # Lossless: 14 bits each behind one byte. Extended: flags, then 24 bits each. Lossy: 14 bits each behind six bytes.
    lossless = [1 + raw[1] + raw[2] % 64 * 256, 1 + raw[2] // 64 + raw[3] * 4 + raw[4] % 16 * 1024]
    extended = [1 + raw[4] + raw[5] * 256 + raw[6] * 65536, 1 + raw[7] + raw[8] * 256 + raw[9] * 65536]
    lossy = [raw[6] + raw[7] % 64 * 256, raw[8] + raw[9] % 64 * 256]
    animated = (kind == b"VP8X") & (raw[0] // 2 % 2 == 1)
    size = tf.where(kind == b"VP8L", lossless, tf.where(kind == b"VP8X", extended, lossy))
    return tf.where(animated, 2**31 - 1, size)


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


def _header(contents: tf.Tensor, start: int, length: int, kind: tf.DType, *, little_endian: bool = True) -> tf.Tensor:
    """Bytes of a header as integers; zeros behind the end of a short file."""
    piece = tf.strings.substr(_padded(contents, start + length), start, length)
    return tf.io.decode_raw(piece, kind, little_endian=little_endian)


def _padded(contents: tf.Tensor, length: int) -> tf.Tensor:
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
