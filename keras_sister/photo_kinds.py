"""What the bytes of a file are, where they are not a photo that can be read. No TensorFlow.

Names of files lie: a ``.jpg`` may hold HEIC, an error page, or a pointer of Git LFS. Messages go by the contents.
"""

import contextlib
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 89_478_485
"""Largest number of pixels of a photo, Pillow's own limit. A small file that declares more could exhaust the memory."""

_SAVE = "save it as JPEG, PNG or WebP"
_UNPACK = "unpack it"
_ELSEWHERE = "not a photo; remove it, or name another file"

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x89PNG\r\n\x1a\n\C{4}CgBI", "a PNG in Apple's variant for iOS apps (CgBI)", _SAVE),
    (rb"GIF8[79]a", "a GIF image", _SAVE),
    (rb"BM\C{4}\x00\x00\x00\x00", "a BMP image", _SAVE),
    (rb"(?:II\x2a\x00|MM\x00\x2a|II\x2b\x00|MM\x00\x2b|IIU\x00|IIRO|FUJIFILM)", "a TIFF image or raw photo", _SAVE),
    (rb"\C{4}ftyp\C{0,40}?avi[fs]", "an AVIF image", _SAVE),
    (rb"\C{4}ftyp(?:hei|hev|mif1|msf1)", "a HEIC image, as phones store it", "convert it to JPEG"),
    (rb"\C{4}ftypcrx ", "a raw photo of a camera", _SAVE),
    (rb"\C{4}ftyp|\x1a\x45\xdf\xa3|RIFF\C{4}AVI ", "a video", "save the wanted frame as JPEG, PNG or WebP"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "a JPEG XL image", _SAVE),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image", _SAVE),
    (rb"8BPS", "a Photoshop file", _SAVE),
    (rb"\x00\x00\x01\x00", "an icon", _SAVE),
    (rb"P[1-7]\s", "a PNM image", _SAVE),
    (rb"%PDF", "a PDF document", "save its picture as JPEG, PNG or WebP"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the photo", "run 'git lfs pull'"),
    (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive", _UNPACK),
    (rb"\x1f\x8b", "a gzip archive", _UNPACK),
    (rb"Rar!|7z\xbc\xaf\x27\x1c|BZh|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|\C{257}ustar", "an archive", _UNPACK),
    (rb"\x93NUMPY|\x89HDF|MATLAB ", "an array of numbers", _ELSEWHERE),
    (
        rb"(?i)\s*(?:\xef\xbb\xbf)?\s*(?:<!--\C{0,200}?-->\s*)?(?:<!doctype html|<html|<head|<body)",
        "an HTML page, probably of a failed download",
        "download the photo again",
    ),
    (rb"(?i)\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml\C{0,400}?)?<svg", "an SVG drawing", _SAVE),
    (rb"\s*(?:\xef\xbb\xbf)?\s*<\?xml", "an XML document", _ELSEWHERE),
    (rb"\x00+\Z", "nothing but zeros", "copy or download it again"),
    (rb"[\t\n\r\x20-\x7e\x80-\xff]+\Z", "text, perhaps of a failed download", "download the photo again"),
)
"""A pattern of the first bytes, in which ``\\C`` stands for any byte; what such a file is; what to do about it."""

_COMPILED = tuple(
    (re.compile(pattern.replace(rb"\C", rb"[\x00-\xff]")), name, remedy) for pattern, name, remedy in _SIGNATURES
)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers before height and width
_START = 1_024  # bytes that are looked at


def kind_of(contents: bytes) -> str | None:
    """The kind of a photo that can be read, by its first bytes: ``JPEG`` (also an MPO), ``PNG``, ``WebP`` or None."""
    if contents.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if contents.startswith(b"\x89PNG\r\n\x1a\n") and contents[12:16] != b"CgBI":
        return "PNG"
    return "WebP" if contents.startswith(b"RIFF") and contents[8:12] == b"WEBP" else None


def exif_orientation(image: "Image.Image") -> int:
    """The EXIF orientation of a photo that Pillow has opened, 1 to 8; 1, upright, if it is missing or damaged.

    It is the one that `keras_sister.images` applies: ``Image.getexif`` would also take an orientation from XMP.
    """
    from PIL import Image

    _find_exif_behind_pixels(image)
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Corrupt EXIF data", which is 1 here
            exif.load(image.info.get("exif", b""))
            orientation = exif.get(0x0112, 1)
    except Exception:  # Pillow raises SyntaxError, struct.error, OverflowError and others for damaged EXIF data
        return 1
    return orientation if type(orientation) is int and orientation in range(1, 9) else 1  # 6.0 is in the range too


def _find_exif_behind_pixels(image: "Image.Image") -> None:
    """Load a PNG with EXIF data: Pillow finds what is behind the pixels only then, and loading takes long."""
    from PIL import PngImagePlugin

    if not isinstance(image, PngImagePlugin.PngImageFile) or image.fp is None:  # without a file it is loaded
        return
    place = image.fp.tell()
    image.fp.seek(0)
    has_exif = b"eXIf" in image.fp.read()
    image.fp.seek(place)
    if has_exif:
        with contextlib.suppress(Exception):  # pixels that are damaged are left to what decodes them
            image.load()


def why_not_a_photo(contents: bytes) -> str | None:
    """Why these bytes are no JPEG, PNG or WebP: what they are instead, and what to do.

    Returns:
        A phrase without a full stop, or None for the bytes of such a photo, damaged or not.

    Example:
        >>> why_not_a_photo(b"GIF89a...")
        'a GIF image; save it as JPEG, PNG or WebP'
    """
    if kind_of(contents):
        return None
    if not contents:
        return "empty; copy or download it again"
    for pattern, name, remedy in _COMPILED:
        if pattern.match(contents[:_START]):
            return f"{name}; {remedy}"
    return "not a JPEG, PNG or WebP, and nothing else that is known; look at the file"


def why_not_decoded(contents: bytes) -> str:
    """Why the decoder refused the bytes of a photo: a phrase without a full stop."""
    if reason := why_not_a_photo(contents):
        return reason
    kind = kind_of(contents)
    if too_many_pixels(contents):
        return f"more than {MAX_PIXELS:,} pixels; make it smaller"
    if is_animated_webp(contents):
        return "an animated WebP; save the wanted frame as JPEG, PNG or WebP"
    state = "truncated" if _is_truncated(contents, kind) else "damaged"
    return f"a {state} {kind}; copy or download it again"


def is_animated_webp(contents: bytes) -> bool:
    """Whether a photo is a WebP with several frames, which is not read."""
    return kind_of(contents) == "WebP" and contents[12:16] == b"VP8X" and bool(contents[20:21]) and contents[20] & 2 > 0


def too_many_pixels(contents: bytes) -> bool:
    """Whether the header of a photo declares more than `MAX_PIXELS`."""
    width, height = {"PNG": _png_size, "WebP": _webp_size, "JPEG": _jpeg_size}[kind_of(contents) or "JPEG"](contents)
    return width * height > MAX_PIXELS


def _png_size(contents: bytes) -> tuple[int, int]:
    if contents[12:16] != b"IHDR":
        return 0, 0
    return int.from_bytes(contents[16:20], "big"), int.from_bytes(contents[20:24], "big")


def _webp_size(contents: bytes) -> tuple[int, int]:
    if contents[12:16] == b"VP8X":
        return 1 + int.from_bytes(contents[24:27], "little"), 1 + int.from_bytes(contents[27:30], "little")
    if contents[12:16] == b"VP8L":
        bits = int.from_bytes(contents[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return (
        int.from_bytes(contents[26:28], "little") & 0x3FFF,
        int.from_bytes(contents[28:30], "little") & 0x3FFF,
    )


def _jpeg_size(contents: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 <= len(contents):
        if contents[place] != 0xFF or contents[place + 1] in (0x00, 0xFF):  # junk, or padding
            place += 1
            continue
        marker, length = contents[place + 1], int.from_bytes(contents[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            height, width = contents[place + 5 : place + 7], contents[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        place += 2 if marker <= 0x01 or 0xD0 <= marker <= 0xD9 else 2 + max(length, 2)
    return 0, 0


def _is_truncated(contents: bytes, kind: str | None) -> bool:
    if kind == "WebP":
        return len(contents) < 8 + int.from_bytes(contents[4:8], "little")
    return (b"IEND" if kind == "PNG" else b"\xff\xd9") not in contents[-4_096:]
