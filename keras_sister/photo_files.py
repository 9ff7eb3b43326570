"""Photo files on disk: which files are photos, and their bytes. No TensorFlow."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from keras_sister.errors import InputError, counted
from keras_sister.photo_kinds import MAX_PIXELS, too_many_pixels, why_not_a_photo

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp")
"""Suffixes of photo files, in lower case."""

PIXELS_VERSION = 2
"""Version of the pixels that `keras_sister.images` makes; what is kept of them has it in its key."""

_MAX_BYTES = 100_000_000  # more than any photo of MAX_PIXELS has


def is_photo_name(name: str | Path) -> bool:
    """Whether a file is named like a photo: a suffix of `PHOTO_SUFFIXES`, in any case, and no leading dot."""
    name = Path(name)
    return name.suffix.lower() in PHOTO_SUFFIXES and not name.name.startswith(".")


class LeftOut(Counter[str]):
    """Numbers of files that a search in folders left out, by ending."""

    def add(self, file: Path) -> None:
        """Count a file."""
        self[file.suffix.lower() or "no ending"] += 1

    def __str__(self) -> str:
        """Such as ``11 files left out: .heic 7, .gif 4``."""
        ranked = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        endings = ", ".join(f"{ending} {number}" for ending, number in ranked[:8])
        more = f" and {len(self) - 8} other endings" if len(self) > 8 else ""
        files = counted(self.total(), "file")
        return f"{files} left out: {endings}{more}"


def walk_photos(folder: Path, left_out: LeftOut, *, within: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The photos in a folder, then those in its subfolders, by name; names with a leading dot are skipped.

    A dead link is a photo that cannot be read. A link to a parent folder is skipped, because it would never end.

    Args:
        folder: the folder.
        left_out: receives the files that are not named like photos.
        within: for subfolders: the folders above.

    Raises:
        InputError: for a folder that cannot be listed.
    """
    within |= {folder.resolve()}
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}.") from error
    folders = [entry for entry in entries if entry.is_dir()]
    for entry in entries:
        if entry.is_dir():
            continue
        if is_photo_name(entry):
            yield entry
        else:
            left_out.add(entry)
    for entry in folders:
        if entry.resolve() not in within:
            yield from walk_photos(entry, left_out, within=within)


def find_photos(places: Iterable[Path], left_out: LeftOut) -> list[Path]:
    """Expand files and folders to photo files: files as they are, and folders by `walk_photos`.

    Args:
        places: files and folders.
        left_out: receives the files in the folders that are not named like photos.

    Raises:
        InputError: for a folder without photos.
    """
    photos: list[Path] = []
    for place in places:
        here = LeftOut()
        found = list(walk_photos(place, here)) if place.is_dir() else [place]
        if not found:
            raise InputError(no_photos(place, here))
        photos += found
        left_out.update(here)
    return photos


def no_photos(place: Path | str, left_out: LeftOut) -> str:
    """The error for a folder or pattern without photos."""
    return f"{place}: no JPEG, PNG or WebP found{f' ({left_out})' if left_out else ''}."


class UnreadablePhotosError(InputError):
    """Some photos of a list cannot be read. The message names all of them.

    Attributes:
        reasons: by the row of the photo in the list, a line that names it and says why.
    """

    def __init__(self, photos: Sequence[Path], reasons: dict[int, str]) -> None:
        self.reasons = dict(sorted(reasons.items()))
        lines = list(self.reasons.values())
        if len(reasons) > 1:
            lines.insert(0, f"{len(reasons):,} of {len(photos):,} photos cannot be read:")
        super().__init__("\n".join(lines))


def read_photo(path: Path) -> bytes:
    """Read a photo file and check its kind and size; the pixels may still be damaged.

    Raises:
        InputError: if the file is missing, is not a JPEG, PNG or WebP, or declares more than `MAX_PIXELS`, naming it.
    """
    contents, reason = try_read(path)
    if reason is None and too_many_pixels(contents):
        reason = f"more than {MAX_PIXELS:,} pixels; make it smaller"
    if reason is not None:
        raise InputError(f"{path}: {reason}.")
    return contents


def content_hash(photo: Path) -> str:
    """The SHA-256 of a photo's bytes, as hexadecimal digits.

    Raises:
        InputError: as `read_photo` does.
    """
    return hashlib.sha256(read_photo(photo)).hexdigest()


def content_hash_or_none(photo: Path) -> str | None:
    """The same, or None if the photo cannot be read."""
    try:
        return content_hash(photo)
    except InputError:
        return None


def try_read(path: Path) -> tuple[bytes, str | None]:
    """Read a file and check by its first bytes that it is a JPEG, PNG or WebP.

    Returns:
        The bytes and None; or no bytes and the reason why the file is not a photo that can be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return b"", "not a file"
        if status.st_size > _MAX_BYTES:
            return b"", f"more than {_MAX_BYTES:,} bytes"
        contents = path.read_bytes()
    except OSError as error:
        return b"", error.strerror or os.strerror(error.errno or 0)
    except ValueError as error:  # a path with a null byte
        return b"", str(error)
    reason = why_not_a_photo(contents)
    return (b"", reason) if reason else (contents, None)


def names_within(photos: Sequence[Path]) -> list[str]:
    """Paths relative to the folder that holds all photos: two are never equal, and a moved dataset keeps them.

    Example:
        >>> names_within([Path("shop/a/front.jpg"), Path("shop/b/front.jpg")])
        ['a/front.jpg', 'b/front.jpg']
    """
    common = os.path.commonpath([photo.parent for photo in photos])
    return [printable_path(photo.relative_to(common).as_posix()) for photo in photos]


def printable_path(path: str) -> str:
    r"""A path as valid text: bytes that are not UTF-8, as in names from old archives, become ``\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
