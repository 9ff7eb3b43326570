"""The EXIF orientation against Pillow: every orientation, byte order and place, and thousands of damaged headers."""

import io
import itertools
import struct
import warnings

import numpy as np
import PIL
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_sister.export.keras_free_process import decode_photo
from keras_sister.images import decode, decode_as_stored, resize
from keras_sister.orientation import jpeg_exif, orientation_in, turn
from keras_sister.photo_kinds import exif_orientation
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.small_photos import small_photo

from .test_images import IMAGE, chunk, encoded

SMALL = IMAGE.resize((23, 17))
PLACES = ("jpeg", "jpeg after jfif, xmp and a comment", "png", "png behind the pixels", "webp", "lossless webp")
decode_in_graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)

orientation_in_graph = tf.function(
    lambda contents: decode_as_stored(contents)[1], input_signature=[tf.TensorSpec((), tf.string)], autograph=False
)
jpeg_orientation_in_graph = tf.function(
    lambda contents: orientation_in(jpeg_exif(contents)),
    input_signature=[tf.TensorSpec((), tf.string)],
    autograph=False,
)


def exif(orientation: object, order: str = "<") -> bytes:
    tags = Image.Exif()
    tags.endian = order
    tags[0x010F] = "a maker of cameras"
    tags[0x0112] = orientation
    tags[0x011A] = 72.0
    return tags.tobytes()


def segment(marker: int, contents: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(contents) + 2).to_bytes(2, "big") + contents


def photo(place: str, tags: bytes) -> bytes:
    if place.startswith("jpeg"):
        jpeg = encoded(SMALL, "JPEG", quality=90)
        start = 2 if place == "jpeg" else 20  # behind SOI, or behind JFIF
        xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + segment(0xFE, b"a comment")
        return jpeg[:start] + (b"" if place == "jpeg" else xmp) + segment(0xE1, tags) + jpeg[start:]
    if place == "png behind the pixels":
        png = encoded(SMALL, "PNG")
        return png[:-12] + chunk(b"eXIf", tags[6:]) + png[-12:]
    if place == "png":
        return encoded(SMALL, "PNG", exif=tags)
    return encoded(SMALL, "WEBP", exif=tags, lossless=place.startswith("lossless"))


PILLOW_GIVES_UP = int(PIL.__version__.split(".")[0]) < 13
"""Earlier versions read nothing of a table of which one entry is damaged."""


def by_pillow(contents: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert("RGB"))


@pytest.mark.parametrize("place", PLACES)
def test_photos_are_upright_as_pillow_turns_them(place):
    for orientation, order in itertools.product(range(10), "<>"):
        contents = photo(place, exif(orientation, order))
        expected = by_pillow(contents)
        assert expected.shape[:2] == ((23, 17) if orientation in (5, 6, 7, 8) else (17, 23))
        np.testing.assert_array_equal(decode(tf.constant(contents)), expected)
        np.testing.assert_array_equal(decode_in_graph(tf.constant(contents)), expected)
        pixels, turn_by_pillow = decode_photo(contents)
        np.testing.assert_array_equal(turn_by_pillow(pixels), expected)
        with Image.open(io.BytesIO(contents)) as image:
            assert exif_orientation(image) == (orientation if orientation in range(1, 9) else 1)


def entry(kind: int, value: bytes, order: str = "<") -> bytes:
    """An EXIF block of one entry, the orientation: a value of up to four bytes, or one behind the entry."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    here = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", 26)
    listed = struct.pack(f"{order}HHHI", 1, 0x0112, kind, 1) + here + bytes(4)
    return b"Exif\0\0" + start + listed + (value if len(value) > 4 else b"")


INTEGERS = {"short": (3, "H"), "long": (4, "I"), "signed": (6, "b"), "signed short": (8, "h"), "signed long": (9, "i")}
NOT_INTEGERS = {"byte": (1, "B"), "undefined": (7, "B"), "float": (11, "f"), "double": (12, "d")}
DAMAGED = {
    "half a header": b"Exif\0\0II*\0",
    "half a header, no prefix": b"II*\0",
    "BigTIFF": b"Exif\0\0MM\0+" + bytes(8),
    "BigTIFF, cut": b"Exif\0\0MM\0+\0\0",
    "text": b"Exif\0\0no EXIF",
    "one over none": entry(5, struct.pack("<II", 6, 0)),
    "six over one": entry(5, struct.pack("<II", 6, 1)),
}
ENTRIES = {
    f"{name} {order}": (entry(kind, struct.pack(f"{order}{code}", 6), order), 6 if name in INTEGERS else 1)
    for name, (kind, code) in (INTEGERS | NOT_INTEGERS).items()
    for order in "<>"
}
HEADERS = ENTRIES | {name: (block, 1) for name, block in DAMAGED.items()}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("header", HEADERS)
def test_all_readers_agree_on_odd_headers(header, tmp_path):
    """The graph, the verification of an export, masks and what is shown; by the standard an integer of 1 to 8."""
    block, expected = HEADERS[header]
    for place in PLACES:
        contents = photo(place, block)
        (tmp_path / "photo").write_bytes(contents)
        with Image.open(tmp_path / "photo") as image, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert exif_orientation(image) == expected
            assert not told
        pixels, turn_by_pillow = decode_photo(contents)
        shapes = decode_in_graph(tf.constant(contents)).shape, turn_by_pillow(pixels).shape
        assert set(shapes) == {(23, 17, 3) if expected == 6 else (17, 23, 3)}
        assert small_photo(tmp_path / "photo", 144).size[::-1] == shapes[0][:2]


def test_an_orientation_that_only_xmp_has_is_read_by_nobody():
    """Browsers do not either; what matters is that training, checks, masks and the proof of an export agree."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    jpeg = encoded(SMALL, "JPEG", quality=90)
    photos = [
        jpeg[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp) + jpeg[2:],
        encoded(SMALL, "WEBP", xmp=xmp),
    ]
    for contents in photos:
        with Image.open(io.BytesIO(contents)) as image:
            assert image.getexif()[0x0112] == 6, "Pillow sees it"
            assert exif_orientation(image) == 1
        pixels, turn_by_pillow = decode_photo(contents)
        assert decode(tf.constant(contents)).shape == turn_by_pillow(pixels).shape == (17, 23, 3)


def test_an_mpo_is_turned_by_its_first_image():
    contents = encoded(SMALL, "MPO", save_all=True, append_images=[SMALL], exif=exif(6))
    np.testing.assert_array_equal(decode(tf.constant(contents)), by_pillow(contents))


def test_transparent_photos_are_turned_too():
    image = SMALL.convert("RGBA")
    image.putalpha(SMALL.convert("L"))
    for kind in ("PNG", "WEBP"):
        contents = encoded(image, kind, exif=exif(8))
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
        white = Image.new("RGBA", upright.size, "white")
        expected = np.asarray(Image.alpha_composite(white, upright).convert("RGB"))
        np.testing.assert_array_equal(decode(tf.constant(contents)), expected)


def test_two_exif_segments_are_one():
    tags = exif(6)
    jpeg = encoded(SMALL, "JPEG")
    contents = jpeg[:20] + segment(0xE1, tags[:30]) + segment(0xE1, tags[:6] + tags[30:]) + jpeg[20:]
    np.testing.assert_array_equal(decode(tf.constant(contents)), by_pillow(contents))
    assert by_pillow(contents).shape == (23, 17, 3)


def test_padding_and_junk_between_segments():
    jpeg = encoded(SMALL, "JPEG")
    contents = jpeg[:20] + b"\xff\xff" + segment(0xE1, exif(3)) + b"junk" + b"\xff" + jpeg[20:]
    np.testing.assert_array_equal(decode(tf.constant(contents)), by_pillow(contents))


@pytest.mark.parametrize("place", PLACES)
def test_damaged_headers_turn_a_photo_as_pillow_does_or_not_at_all(place):
    rng = np.random.default_rng(PLACES.index(place))
    for _ in range(120):
        tags = bytearray(exif(int(rng.integers(1, 9)), "<>"[rng.integers(2)]))
        for position in rng.integers(6, min(70, len(tags)), rng.integers(1, 4)):
            tags[position] = rng.choice([rng.integers(256), tags[position] ^ 1 << rng.integers(8), 0, 255])
        contents = photo(place, bytes(tags))
        found, expected = int(orientation_in_graph(tf.constant(contents))), orientation_by_pillow(contents)
        assert found == expected or (PILLOW_GIVES_UP and expected == 1), bytes(tags)


def test_damaged_segments_are_no_error():
    """The file may be broken, its pixels may be fewer, but reading the orientation never fails."""
    rng = np.random.default_rng(0)
    original = photo("jpeg after jfif, xmp and a comment", exif(6))
    for _ in range(200):
        contents = bytearray(original)
        for position in rng.integers(2, 180, rng.integers(1, 4)):
            contents[position] = rng.integers(256)
        for cut in (len(contents), rng.integers(len(contents))):
            assert 1 <= jpeg_orientation_in_graph(tf.constant(bytes(contents[:cut]))) <= 8


def orientation_by_pillow(contents: bytes) -> int:
    """1 for a damaged header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(contents))
        try:
            orientation = image.getexif().get(0x0112, 1)
        except (SyntaxError, ValueError, struct.error):
            return 1
    return int(orientation) if orientation in range(1, 9) else 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_after_resizing_equals_turning_before_within_a_level(orientation):
    contents = photo("png", exif(orientation))
    resized = turn(resize(tf.constant(np.asarray(SMALL)), 12), orientation).numpy()
    made = Preprocessor(None, size=12, views=("photo",)).read(tf.constant(contents))["photo"]
    np.testing.assert_array_equal(made, resized)
    assert made.shape == (12, 12, 3)
    upright = resize(decode(tf.constant(contents)), 12).numpy()
    assert np.abs(upright.astype(int) - resized).max() <= 1
