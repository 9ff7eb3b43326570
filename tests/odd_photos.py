"""Photos that were damaged at random: what every reader of photos must agree on."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin


def whole_photos() -> dict[str, bytes]:
    """Small photos of every kind that is read, by a name with their suffix."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (24, 20, 4), dtype=np.uint8)
    rgb, rgba, grey = Image.fromarray(noise[..., :3]), Image.fromarray(noise), Image.fromarray(noise[..., 0])
    turned, text = Image.Exif(), PngImagePlugin.PngInfo()
    turned[0x0112] = 6
    text.add_itxt("comment", "x" * 200, zip=True)
    deep = Image.fromarray((noise[..., 0].astype(np.uint16) << 8) | noise[..., 1])
    return {
        "rgb.jpg": _saved(rgb, "JPEG", quality=90, exif=turned),
        "progressive.jpg": _saved(rgb, "JPEG", progressive=True, restart_marker_blocks=1),
        "grey.jpg": _saved(grey, "JPEG"),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "two.mpo": _saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        "rgb.png": _saved(rgb, "PNG", exif=turned, pnginfo=text),
        "inflating.png": _with_inflating_text(_saved(rgb, "PNG")),
        "rgba.png": _saved(rgba, "PNG"),
        "palette.png": _saved(rgb.quantize(7), "PNG", transparency=3),
        "deep.png": _saved(deep, "PNG"),
        "one_bit.png": _saved(grey.convert("1"), "PNG"),
        "lossy.webp": _saved(rgba, "WEBP", quality=60, exif=turned),
        "lossless.webp": _saved(rgba, "WEBP", lossless=True),
        "plain.webp": _saved(rgb, "WEBP", quality=60),
        "moving.webp": _saved(rgb, "WEBP", save_all=True, append_images=[grey.convert("RGB")]),
    }


def odd_photos(number: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Whole photos, then damaged ones: names and contents, without end if need be."""
    rng, whole = np.random.default_rng(seed), whole_photos()
    yield from list(whole.items())[:number]
    for count in range(len(whole), number):
        name = list(whole)[count % len(whole)]
        contents = whole[name]
        for _ in range(rng.integers(1, 4)):
            contents = _DAMAGES[rng.integers(len(_DAMAGES))](rng, contents)
        if name.endswith(".png") and rng.random() < 0.5:
            contents = with_right_checksums(contents)
        yield f"{count:05d}-{name}", contents


def with_right_checksums(png: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them now, so that a damage reaches the decoder."""
    place, found = 8, png[:8]
    while place + 12 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        body = png[place + 4 : place + 8 + length]
        found += png[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return found


def _with_inflating_text(png: bytes) -> bytes:
    """A PNG with a comment of a few kilobytes that inflates to 20 million bytes; nobody has to look into it."""
    body = b"zTXtcomment\0\0" + zlib.compress(bytes(20_000_000), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]  # after the header


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _flip(rng: np.random.Generator, contents: bytes) -> bytes:
    place = rng.integers(len(contents)) if contents else 0
    return (
        contents[:place] + bytes([contents[place] ^ 1 << rng.integers(8)]) + contents[place + 1 :] if contents else b""
    )


def _flip_in_header(rng: np.random.Generator, contents: bytes) -> bytes:
    return _flip(rng, contents[:64]) + contents[64:]


def _cut(rng: np.random.Generator, contents: bytes) -> bytes:
    return contents[: rng.integers(len(contents) + 1)]


def _cut_end(rng: np.random.Generator, contents: bytes) -> bytes:
    return contents[: max(0, len(contents) - rng.integers(1, 20))]


def _append(rng: np.random.Generator, contents: bytes) -> bytes:
    return contents + rng.bytes(rng.integers(1, 30))


def _drop(rng: np.random.Generator, contents: bytes) -> bytes:
    place = rng.integers(len(contents) + 1)
    return contents[:place] + contents[place + rng.integers(1, 9) :]


def _overwrite(rng: np.random.Generator, contents: bytes) -> bytes:
    place, value = rng.integers(len(contents) + 1), rng.choice([b"\xff", b"\x00", b"\xff\xd9", b"\xff\xc0", b"\x7f"])
    return contents[:place] + bytes(value) * int(rng.integers(1, 6)) + contents[place + 6 :]


_DAMAGES = (_flip, _flip_in_header, _cut, _cut_end, _append, _drop, _overwrite)
