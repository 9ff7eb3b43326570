"""Decoding and resizing against Pillow, eagerly and in a ``tf.data`` map."""

import functools
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
    "webp": encoded(IMAGE, "WEBP", quality=80),
    "lossless webp": encoded(IMAGE, "WEBP", lossless=True),
    "mpo": encoded(IMAGE, "MPO", save_all=True, append_images=[IMAGE.rotate(180)]),
}


def mapped(function, value):
    return next(iter(tf.data.Dataset.from_tensors(value).map(function))).numpy()


@functools.cache
def decoded_in_a_map() -> dict[bytes, np.ndarray]:
    """The pixels of all `FILES` and all that are `TRANSPARENT`, by their bytes, without those that fail.

    In one map, since tracing one takes a second.
    """
    files = [*FILES.values(), *TRANSPARENT.values()]
    pixels = tf.data.Dataset.from_tensor_slices(files).map(lambda contents: (contents, decode(contents)))
    return dict(pixels.ignore_errors().as_numpy_iterator())


@pytest.mark.parametrize("kind", FILES)
def test_decoding_is_bit_for_bit_pillows(kind):
    expected = np.asarray(Image.open(io.BytesIO(FILES[kind])).convert("RGB"))
    np.testing.assert_array_equal(decode(tf.constant(FILES[kind])).numpy(), expected)
    np.testing.assert_array_equal(decoded_in_a_map()[FILES[kind]], expected)


def test_opaque_files_are_what_tensorflow_decodes():
    for kind, contents in FILES.items():
        if kind not in ("rgba png", "webp", "lossless webp"):
            plain = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
            np.testing.assert_array_equal(decode(tf.constant(contents)), plain)


HOLES = Image.fromarray(np.arange(61 * 47, dtype=np.uint8).reshape(61, 47))  # every degree of transparency
SEEN_THROUGH = IMAGE.copy()
SEEN_THROUGH.putalpha(HOLES)
FEW_COLOURS = IMAGE.quantize(16)
TRANSPARENT = {
    "rgba": encoded(SEEN_THROUGH, "PNG"),
    "grey and alpha": encoded(Image.merge("LA", (IMAGE.convert("L"), HOLES)), "PNG"),
    "palette, degrees": encoded(FEW_COLOURS, "PNG", transparency=bytes(range(0, 256, 16))),
    "palette, one colour": encoded(FEW_COLOURS, "PNG", transparency=3),
    "rgb, one colour": encoded(FEW_COLOURS.convert("RGB"), "PNG", transparency=FEW_COLOURS.getpalette()[:3]),
    "grey, one level": encoded(FEW_COLOURS.convert("L"), "PNG", transparency=FEW_COLOURS.convert("L").getpixel((0, 0))),
    "black and white": encoded(IMAGE.convert("1"), "PNG", transparency=0),
    "lossless webp": encoded(SEEN_THROUGH, "WEBP", lossless=True, exact=True),
    "webp": encoded(SEEN_THROUGH, "WEBP", quality=80),
}


def on_white(image: Image.Image) -> np.ndarray:
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparency_is_flattened_on_white_as_by_pillow(kind):
    contents = TRANSPARENT[kind]
    expected = on_white(Image.open(io.BytesIO(contents)))
    np.testing.assert_array_equal(decode(tf.constant(contents)).numpy(), expected)
    np.testing.assert_array_equal(decoded_in_a_map()[contents], expected)
    assert (expected != np.asarray(Image.open(io.BytesIO(contents)).convert("RGBA"))[..., :3]).any()


def test_every_colour_under_every_degree_of_transparency_is_mixed_as_by_pillow():
    levels, alphas = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    image = Image.fromarray(np.stack([levels, levels, levels[::-1], alphas], axis=-1), "RGBA")
    np.testing.assert_array_equal(decode(tf.constant(encoded(image, "PNG"))), on_white(image))


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("keyed", [False, True])
def test_png_of_16_bits(colour_type, channels, keyed):
    """Of 16 bits the high byte is kept; a transparent colour is compared in all 16 bits, which Pillow does not do."""
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, channels)).astype(">u2")
    values[:8] = values[0, 0]
    values[2] += 1  # not the transparent colour, but with the same high bytes
    colour = values[0, 0].tobytes()
    has_alpha = channels in (2, 4)
    contents = png(values, colour_type, b"" if has_alpha or not keyed else chunk(b"tRNS", colour))
    high = (values >> 8).astype(np.uint8)
    alpha = np.full((20, 30), 255, np.uint8)
    if has_alpha:
        alpha = high[..., -1]
    elif keyed:
        alpha = np.where((values == values[0, 0]).all(axis=-1), 0, 255).astype(np.uint8)
    rgb = high[..., :3] if channels > 2 else np.repeat(high[..., :1], 3, axis=-1)
    expected = on_white(Image.fromarray(np.dstack([rgb, alpha])))
    np.testing.assert_array_equal(decode(tf.constant(contents)), expected)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values: np.ndarray, colour_type: int, more: bytes) -> bytes:
    height, width, _ = values.shape
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"no image",
        FILES["png"][:8],
        FILES["jpeg"][:300],
        FILES["png"][:300],
        FILES["webp"][:300],
        b"RIFF\0\0\0\0WEBPVP8X",
        encoded(IMAGE, "GIF"),
        encoded(IMAGE, "BMP"),
        encoded(IMAGE, "WEBP", save_all=True, append_images=[IMAGE.rotate(180)]),
    ],
)
def test_broken_files_and_other_kinds_are_errors(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(contents))


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header says so."""
    header = b"IHDR" + struct.pack(">II", width, height) + FILES["png"][24:29]
    return FILES["png"][:12] + header + struct.pack(">I", zlib.crc32(header)) + FILES["png"][33:]


def hiding(image: bytes) -> bytes:
    """A WebP that declares one pixel around an image of more."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(10) + image[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_webp_that_declares_another_size_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(hiding(FILES["lossless webp"])))


@pytest.mark.parametrize(
    "contents",
    [
        claiming(30_000, 30_000),
        encoded(Image.new("L", (10_000, 9_000)), "JPEG"),
        encoded(Image.new("RGB", (10_000, 9_000)), "WEBP", lossless=True, quality=0, method=0),
    ],
    ids=["png", "jpeg", "webp"],
)
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
