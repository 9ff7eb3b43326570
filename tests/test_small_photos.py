"""What is shown of a photo, and compared with others, is what a model sees of it: small, but the same picture."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.images import decode
from keras_sister.small_photos import small_photo

from .test_images import FILES, TRANSPARENT, encoded
from .test_orientation import PLACES, SMALL, exif, photo, segment

XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
JPEG = encoded(SMALL, "JPEG")
DEEP = Image.fromarray(np.asarray(SMALL.convert("L")).astype(np.uint16) << 8)
PHOTOS = FILES | TRANSPARENT
PHOTOS |= {f"{place}, {i}": photo(place, exif(i)) for place in PLACES for i in (2, 3, 4, 5, 6, 7, 8)}
PHOTOS |= {"xmp only": JPEG[:2] + segment(0xE1, XMP) + JPEG[2:], "16 bits": encoded(DEEP, "PNG")}


@pytest.mark.parametrize("kind", PHOTOS)
def test_a_small_photo_is_the_photo_that_models_see(kind, tmp_path):
    (tmp_path / "photo").write_bytes(PHOTOS[kind])
    shown = small_photo(tmp_path / "photo", 144)
    assert shown.mode == "RGB"
    np.testing.assert_array_equal(shown, decode(tf.constant(PHOTOS[kind])))


def test_a_large_jpeg_is_read_at_a_fraction_of_its_size(tmp_path):
    SMALL.resize((2300, 1700)).save(tmp_path / "large.jpg", exif=exif(6))
    assert small_photo(tmp_path / "large.jpg", 144).size == (213, 288)


def test_what_pillow_cannot_read_is_none(tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    assert small_photo(tmp_path / "text.jpg", 144) is None
    assert small_photo(tmp_path / "missing.jpg", 144) is None
