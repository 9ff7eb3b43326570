"""Decoding and resizing against Pillow, eagerly and in a ``tf.data`` map."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.images import decode, resize, to_masks
from keras_sister.photo_files import read_photo


def photo_like(height: int, width: int) -> Image.Image:
    """Smooth colours with edges and some noise, as photos have."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 90 * np.sin(x / 9 + c) * np.cos(y / 7 - c) + 30 * (x > width // 2) for c in range(3)]
    noisy = np.stack(waves, axis=-1) + rng.normal(0, 6, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


IMAGE = photo_like(61, 47)
FILES = {
    "jpeg": encoded(IMAGE, "JPEG", quality=85),
    "jpeg 4:4:4": encoded(IMAGE, "JPEG", quality=95, subsampling=0),
    "progressive": encoded(IMAGE, "JPEG", progressive=True),
    "grey jpeg": encoded(IMAGE.convert("L"), "JPEG"),
    "cmyk jpeg": encoded(IMAGE.convert("CMYK"), "JPEG"),
    "png": encoded(IMAGE, "PNG"),
    "palette png": encoded(IMAGE.convert("P"), "PNG"),
    "rgba png": encoded(IMAGE.convert("RGBA"), "PNG"),
    "grey png": encoded(IMAGE.convert("L"), "PNG"),
}


def mapped(function, value):
    return next(iter(tf.data.Dataset.from_tensors(value).map(function))).numpy()


@pytest.mark.parametrize("kind", FILES)
def test_decoding_is_bit_for_bit_pillows(kind):
    expected = np.asarray(Image.open(io.BytesIO(FILES[kind])).convert("RGB"))
    np.testing.assert_array_equal(decode(tf.constant(FILES[kind])).numpy(), expected)
    np.testing.assert_array_equal(mapped(decode, FILES[kind]), expected)


def test_exif_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to view
    turned = encoded(IMAGE, "JPEG", quality=85, exif=exif)
    np.testing.assert_array_equal(decode(tf.constant(turned)), decode(tf.constant(FILES["jpeg"])))


@pytest.mark.parametrize(
    "contents",
    [b"", b"no image", FILES["png"][:8], FILES["jpeg"][:300], FILES["png"][:300], encoded(IMAGE, "GIF")],
)
def test_broken_files_and_other_kinds_are_errors(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(contents))


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header says so."""
    header = b"IHDR" + struct.pack(">II", width, height) + FILES["png"][24:29]
    return FILES["png"][:12] + header + struct.pack(">I", zlib.crc32(header)) + FILES["png"][33:]


@pytest.mark.parametrize("contents", [claiming(30_000, 30_000), encoded(Image.new("L", (10_000, 9_000)), "JPEG")])
def test_a_photo_of_too_many_pixels_is_not_decoded(contents, tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels"):
        decode(tf.constant(contents))
    (tmp_path / "bomb.jpg").write_bytes(contents)
    with pytest.raises(InputError, match=r"bomb\.jpg: more than 89,478,485 pixels"):
        read_photo(tmp_path / "bomb.jpg")


@pytest.mark.parametrize("size", [32, 47, 96])
def test_resizing_is_pillows_bilinear_within_a_level(size):
    expected = np.asarray(IMAGE.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    image = np.asarray(IMAGE)
    for resized in (resize(tf.constant(image), size).numpy(), mapped(lambda image: resize(image, size), image)):
        assert resized.dtype == np.uint8
        assert np.abs(resized.astype(int) - expected).max() <= 1


def test_resizing_to_the_same_size_changes_nothing():
    image = np.asarray(IMAGE.crop((0, 0, 40, 40)))
    np.testing.assert_array_equal(resize(tf.constant(image), 40), image)


def test_no_mask_is_one_of_zeros_and_ones():
    """Such a mask would be read as 0 and 1, though nobody was found."""
    probability = tf.constant(np.linspace(0, 1, 4096, dtype=np.float32).reshape(1, 64, 64, 1))
    expected = np.round(255 * probability.numpy()).astype(np.uint8)
    expected[expected == 1] = 0
    np.testing.assert_array_equal(to_masks(probability, 64, 64), expected)
