"""What the bytes of refused files are called."""

import io
from pathlib import Path

import pytest
from PIL import Image

from keras_sister.photo_files import UnreadablePhotosError
from keras_sister.photo_kinds import kind_of, too_many_pixels, why_not_a_photo, why_not_decoded


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "name"),
    {"GIF": "GIF", "BMP": "BMP", "TIFF": "TIFF", "AVIF": "AVIF", "JPEG2000": "JPEG 2000", "PDF": "PDF"}.items(),
)
def test_images_of_other_kinds(kind, name):
    reason = why_not_a_photo(encoded(kind))
    assert name in reason
    assert "JPEG, PNG or WebP" in reason


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\x02" + b"\xff" * 40, "a PNG in Apple's variant for iOS"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC image"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "a HEIC image"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "an AVIF image"),
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"\n <!DOCTYPE HTML><p>404", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b'<?xml version="1.0"?><Error>denied', "an XML document"),
        (b'<?xml version="1.0"?><svg>', "an SVG drawing"),
        (b'{"error": "denied"}', "text"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (bytes(257) + b"ustar", "an archive"),
        (bytes(3000), "nothing but zeros"),
        (bytes(range(256)), "not a JPEG, PNG or WebP"),
    ],
)
def test_what_is_no_image(contents, reason):
    assert kind_of(contents) is None
    assert why_not_a_photo(contents).startswith(reason)
    assert why_not_decoded(contents) == why_not_a_photo(contents)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_photos_and_what_can_be_wrong_with_them(kind):
    contents = encoded(kind)
    assert why_not_a_photo(contents) is None
    assert not too_many_pixels(contents)
    assert "truncated" in why_not_decoded(contents[:-20])
    assert "damaged" in why_not_decoded(contents)
    assert "more than 89,478,485 pixels" in why_not_decoded(huge(kind))


def test_a_png_that_begins_with_another_chunk_is_damaged_and_not_large():
    contents = encoded("PNG")
    assert "a damaged PNG" in why_not_decoded(contents[:8] + b"\0\0\0\x0dtEXt" + b"\xff" * 17 + contents[8:])


def huge(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (9_500, 9_500)).save(file, kind, **({"quality": 0, "method": 0} if kind == "WEBP" else {}))
    return file.getvalue()


def test_an_animated_webp():
    contents = encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (30, 20), "blue")])
    assert "an animated WebP; save the wanted frame" in why_not_decoded(contents)


@pytest.mark.parametrize("broken", [1, 12, 130])
def test_an_error_names_all_photos_that_cannot_be_read(broken):
    photos = [Path(f"{i:04}.jpg") for i in range(200)]
    lines = str(UnreadablePhotosError(photos, {i: f"{photos[i]}: empty." for i in range(broken)})).splitlines()
    assert sum(line.endswith(".jpg: empty.") for line in lines) == broken
    assert (lines[0] == f"{broken} of 200 photos cannot be read:") == (broken > 1)
