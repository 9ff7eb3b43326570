"""The EXIF orientation of a photo file, in TensorFlow operations only, so that it is also read inside a SavedModel.

Cameras store the pixels as the sensor saw them, and in the tag *Orientation* how to turn them. The tag is found where
Pillow's ``ImageOps.exif_transpose`` finds it: in the APP1 segments of a JPEG (after JFIF, XMP or comments; also of an
MPO), in the chunk ``eXIf`` of a PNG and in the chunk ``EXIF`` of a WebP, in both byte orders. Pillow also reads it in
XMP and in the text chunks that old versions of ImageMagick wrote into PNGs; browsers do not, and neither does this.
A damaged header means orientation 1, upright; it is never an error.
"""

from typing import Any

import numpy as np
import tensorflow as tf

_TAG = 0x0112
_PREFIX = b"Exif\x00\x00"
_MARKERS = 1_000  # most segments or chunks that are looked at; a hostile file cannot keep the loop busy
_WINDOW = 4_096  # bytes of junk between two JPEG segments that are skipped at once
_HEADERS = (b"II\x2a\x00", b"MM\x00\x2a", b"II\x00\x2a", b"MM\x2a\x00", b"MM\x00\x2b")
"""Beginnings of a TIFF structure; all but the first two are wrong, but read by Pillow."""
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)
"""Bytes of a value by TIFF type; 0 for unknown types, and for all types from the last on."""
_SHORTS, _LONGS, _SIGNED_BYTE = (3, 8), (4, 9, 13), 6
_BIG = 256 ** np.arange(3, -1, -1)
"""What the four bytes of an integer count, the most significant first."""


def turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn an image upright.

    Args:
        image: tensor, shape (height, width, channels), as stored.
        orientation: int32 scalar, the EXIF orientation, 1 to 8.

    Returns:
        The image; for orientations 5 to 8 height and width are exchanged.

    Example:
        >>> turn(tf.zeros((30, 40, 3), tf.uint8), 6).shape  # rotated by 90 degrees
        TensorShape([40, 30, 3])
    """

    def turned() -> tf.Tensor:
        flat = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        mirrored = tf.reduce_any(orientation == (2, 3, 6, 7))
        upside_down = tf.reduce_any(orientation == (3, 4, 7, 8))
        return tf.raw_ops.Reverse(tensor=flat, dims=[upside_down, mirrored, False])

    orientation = tf.convert_to_tensor(orientation)
    upright = tf.cond(orientation == 1, lambda: image, turned)
    height, width, channels = image.shape
    upright.set_shape((height, width, channels) if height == width else (None, None, channels))
    return upright


def jpeg_exif(contents: tf.Tensor) -> tf.Tensor:
    """The EXIF block of a JPEG: string scalar, empty if there is none."""
    end = tf.strings.length(contents)

    def segment(start: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        first, marker, high, low = tf.unstack(_integers(contents, start, 4))
        is_marker, length = first == 0xFF, tf.maximum(256 * high + low, 2)
        has_length = (marker > 1) & ((marker < 0xD0) | (marker > 0xD9))
        step = tf.where(has_length, 2 + length, 2)
        step = tf.where(marker == 0xFF, 1, step)  # padding
        step = tf.cond(is_marker, lambda: step, lambda: _junk(contents, start))
        is_exif = is_marker & (marker == 0xE1) & (_piece(contents, start + 4, 6) == _PREFIX)
        found = _piece(contents, start + 10, tf.where(is_exif, tf.maximum(length - 8, 0), 0))
        is_last = is_marker & (marker == 0xDA)  # the pixels begin
        return tf.where(is_last, end, start + step), tf.strings.join([exif, found])

    _, exif = tf.while_loop(
        lambda start, exif: start < end,
        segment,
        (tf.constant(2), tf.constant(b"")),
        parallel_iterations=1,
        maximum_iterations=_MARKERS,
    )
    return exif


def png_header(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What the chunks of a PNG say.

    Returns:
        The EXIF block, string scalar, empty if there is none, and whether the PNG may be transparent, bool scalar.
    """
    end = tf.strings.length(contents)

    def chunk(
        start: tf.Tensor, exif: tf.Tensor, transparent: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        length, kind = tf.unstack(_whole(tf.reshape(_integers(contents, start, 8), (2, 4)), _BIG))
        length = tf.cast(tf.minimum(length, tf.cast(end, tf.int64)), tf.int32)
        exif = tf.where(kind == _kind(b"eXIf"), _piece(contents, start + 8, length), exif)
        return kind, start + 12 + length, exif, transparent | (kind == _kind(b"tRNS"))

    def before_pixels(
        start: tf.Tensor, exif: tf.Tensor, transparent: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        kind, following, exif, transparent = chunk(start, exif, transparent)
        return tf.where(kind == _kind(b"IDAT"), -start, following), exif, transparent

    def after_pixels(start: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        _, following, exif, _ = chunk(start, exif, tf.constant(False))
        return following, exif

    start, exif, transparent = tf.while_loop(
        lambda start, exif, transparent: (start > 0) & (start < end),
        before_pixels,
        (tf.constant(8), tf.constant(b""), _integers(contents, tf.constant(25), 1)[0] >= 4),
        parallel_iterations=1,
        maximum_iterations=_MARKERS,
    )
    # The pixels may be in thousands of chunks: they are passed only if there is something to find behind them.
    start = tf.abs(start)
    pieces = tf.strings.split(_piece(contents, start, end - start), b"eXIf", maxsplit=1)
    _, exif = tf.while_loop(
        lambda start, exif: (tf.size(pieces) > 1) & (start < end),
        after_pixels,
        (start, exif),
        parallel_iterations=1,
        maximum_iterations=20 * _MARKERS,
    )
    return exif, transparent


def webp_exif(contents: tf.Tensor) -> tf.Tensor:
    """The EXIF block of a WebP: string scalar, empty if there is none."""
    end = tf.strings.length(contents)
    announced = (_piece(contents, tf.constant(12), 4) == b"VP8X") & (
        _integers(contents, tf.constant(20), 1)[0] // 8 % 2 == 1
    )

    def chunk(start: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        both = tf.reshape(_integers(contents, start, 8), (2, 4))
        kind, length = tf.unstack(_whole(both, np.stack([_BIG, _BIG[::-1]])))
        length = tf.cast(tf.minimum(length, tf.cast(end, tf.int64)), tf.int32)
        is_exif = kind == _kind(b"EXIF")
        found = _piece(contents, start + 8, tf.where(is_exif, length, 0))
        return tf.where(is_exif, end, start + 8 + length + length % 2), found

    _, exif = tf.while_loop(
        lambda start, exif: announced & (start < end),
        chunk,
        (tf.constant(12), tf.constant(b"")),
        parallel_iterations=1,
        maximum_iterations=_MARKERS,
    )
    return exif


def orientation_in(exif: tf.Tensor) -> tf.Tensor:
    """The orientation in an EXIF block, which is a TIFF structure: int32 scalar, 1 if there is none."""

    def parsed() -> tf.Tensor:
        has_prefix = _piece(exif, tf.constant(0), 6) == _PREFIX
        return _in_tiff(tf.where(has_prefix, _piece(exif, tf.constant(6), tf.strings.length(exif)), exif))

    return tf.cond(tf.strings.length(exif) > 0, parsed, lambda: tf.constant(1))


def _in_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in the first directory of a TIFF structure, read entry by entry as Pillow does."""
    end = tf.cast(tf.strings.length(tiff), tf.int64)
    header = _piece(tiff, tf.constant(0), 4)
    big = tf.strings.substr(header, 0, 2) == b"MM"
    two, four = tf.where(big, _BIG[2:], _BIG[:1:-1]), tf.where(big, _BIG, _BIG[::-1])
    start = tf.cast(tf.minimum(_whole(_integers(tiff, tf.constant(4), 4), four), end), tf.int32)
    number = tf.cast(_whole(_integers(tiff, start, 2), two), tf.int32)
    listed = _piece(tiff, start + 2, 12 * number)
    complete = tf.strings.length(listed) // 12
    raw = tf.io.decode_raw(_piece(listed, tf.constant(0), 12 * complete), tf.uint8)
    entries = tf.reshape(tf.cast(raw, tf.int64), (-1, 12))
    # An entry is tag and type, of two bytes each, and count and value, of four.
    fields = tf.matmul(entries, tf.where(big, _entry_powers(big=True), _entry_powers(big=False)))
    tags, types, counts, values = tf.unstack(fields, axis=1)
    sizes = counts * tf.gather(tf.constant(_SIZES, tf.int64), tf.minimum(types, len(_SIZES) - 1))
    # A value of more than four bytes is elsewhere. Pillow skips those that sum up to more than there is, and stops
    # reading at one that lies outside.
    elsewhere = sizes > 4
    fits = tf.cumsum(tf.where(elsewhere, sizes, 0)) <= end
    outside = elsewhere & fits & (values + sizes > end)
    reached = tf.cumsum(tf.cast(outside, tf.int32)) == 0
    candidates = tf.where((tags == _TAG) & (sizes > 0) & reached & (~elsewhere | fits))[:, 0]

    def value() -> tf.Tensor:
        entry = candidates[0]
        kind, here = tf.gather(types, entry), tf.gather(entries, entry)[8:]
        there = _integers(tiff, tf.cast(tf.minimum(tf.gather(values, entry), end), tf.int32), 4)
        raw = tf.where(tf.gather(elsewhere, entry), tf.cast(there, tf.int64), here)
        first = tf.where(tf.reduce_any(kind == _SHORTS), _whole(raw[:2], two), _whole(raw, four))
        first = tf.where(kind == _SIGNED_BYTE, raw[0], first)
        is_integer = tf.reduce_any(kind == (*_SHORTS, *_LONGS, _SIGNED_BYTE))
        return tf.where(is_integer & (first >= 1) & (first <= 8), tf.cast(first, tf.int32), 1)

    valid = tf.reduce_any(header == tf.constant(_HEADERS)) & (tf.size(candidates) > 0)
    return tf.cond(valid, value, lambda: tf.constant(1))


def _entry_powers(*, big: bool) -> np.ndarray:
    """What makes the four fields of an entry out of its bytes, as a matrix product: int64 (12, 4)."""
    powers, places = np.zeros((12, 4), np.int64), (slice(0, 2), slice(2, 4), slice(4, 8), slice(8, 12))
    for field, place in enumerate(places):
        powers[place, field] = _BIG[4 - (place.stop - place.start) :][:: 1 if big else -1]
    return powers


def _junk(contents: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Number of bytes from `start` to the next one that can begin a JPEG segment."""
    return tf.argmax(tf.concat([_integers(contents, start, _WINDOW) == 0xFF, [True]], 0), output_type=tf.int32)


def _piece(contents: tf.Tensor, start: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """Up to `length` bytes from `start`; fewer at the end of `contents`."""
    return tf.strings.substr(contents, tf.minimum(start, tf.strings.length(contents)), length)


def _integers(contents: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    """The values of `length` bytes from `start`: int32; zeros behind the end of `contents`."""
    raw = tf.io.decode_raw(_piece(contents, start, length), tf.uint8, fixed_length=length)
    raw.set_shape((length,))
    return tf.cast(raw, tf.int32)


def _kind(name: bytes) -> int:
    """The name of a chunk, four letters, as the integer in those bytes."""
    return int.from_bytes(name, "big")


def _whole(raw: tf.Tensor, powers: Any) -> tf.Tensor:
    """The unsigned integer in 2 or 4 bytes, the last axis of `raw`, by the value of each: int64."""
    return tf.reduce_sum(tf.cast(raw, tf.int64) * powers, axis=-1)
