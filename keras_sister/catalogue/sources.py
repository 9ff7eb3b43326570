"""Expand the sources of a catalogue job to photos, one at a time."""

import codecs
import glob
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from keras_sister.catalogue.csv_column import OnNote
from keras_sister.catalogue.listed_photo import ListedPhoto, listed
from keras_sister.catalogue.table_column import read_column, split_source
from keras_sister.errors import InputError
from keras_sister.photo_files import PHOTO_SUFFIXES, LeftOut, no_photos, walk_photos

_CHUNK = 1 << 16


def list_photos(
    sources: Sequence[str],
    *,
    stdin: BinaryIO,
    keep: Sequence[str] = (),
    null: bool = False,
    on_note: OnNote = lambda note: None,
    left_out: LeftOut | None = None,
) -> Iterator[ListedPhoto]:
    """Find photos. All sources are validated before the first photo.

    Args:
        sources: each one of

            - a file;
            - a folder: the JPEGs, PNGs and WebPs in it and in its subfolders, by name;
            - a pattern such as ``photos/*.jpg``: the matching files, by name; a folder that exists is taken literally,
              also if its name is ``[2024]``;
            - ``TABLE:COLUMN``: the paths in that column of a CSV, TSV, Excel, JSON Lines or Parquet file, relative to
              the file's folder;
            - ``-``: one path per line on `stdin`.
        stdin: read for ``-``.
        keep: columns of the tables to carry through; all sources must then be tables.
        null: paths on `stdin` end in a null byte, as ``find -print0`` writes them, not in a line break.
        on_note: called with a line for a CSV file that is not UTF-8 with commas.
        left_out: receives the files in folders that are not named like photos, as the folders are read.

    Returns:
        Photos, one at a time. Single files, and those from a table or `stdin`, need not exist. A blank or a URL is a
        photo with an error.

    Raises:
        InputError: for a folder or pattern without photos, a table without the column or without a column name, or a
            source that neither exists nor is named like a photo.
    """
    left_out = LeftOut() if left_out is None else left_out
    for source in sources:
        if keep and (Path(source).exists() or split_source(source) is None):
            raise InputError(f"{source}: --keep and --group-by need columns; give TABLE:COLUMN.")
    return itertools.chain.from_iterable(
        [_lines(stdin, null) if source == "-" else _checked(source, keep, on_note, left_out) for source in sources]
    )


def check_not_source(file: Path, sources: Sequence[str], option: str, *, stdin: BinaryIO) -> None:
    """Refuse to write to a file that is read: a table or a photo among the sources, or what `stdin` comes from.

    Args:
        file: what is to be written.
        sources, stdin: see `list_photos`.
        option: the option that names `file`.

    Raises:
        InputError: naming the file and the option.
    """
    for source in sources:
        if source == "-" and file.exists() and _is_read_by(stdin, file):
            raise InputError(f"{file}: standard input is read from it; choose another {option}.")
        place = None if Path(source).exists() else split_source(source)
        read = place[0] if place else Path(source)
        if file.exists() and read.exists() and file.samefile(read):
            raise InputError(f"{file}: the source {source} is read from it; choose another {option}.")


def _is_read_by(stdin: BinaryIO, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stdin.fileno()), file.stat())
    except (OSError, ValueError):  # a stream in memory has no file, nor has a closed one
        return False


def _lines(stdin: BinaryIO, null: bool) -> Iterator[ListedPhoto]:
    for line in _until_null(stdin) if null else stdin:
        yield listed(os.fsdecode(line if null else line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")))


def _until_null(stdin: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := stdin.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _checked(source: str, keep: Sequence[str], on_note: OnNote, left_out: LeftOut) -> Iterator[ListedPhoto]:
    place = None if Path(source).exists() else split_source(source)
    photos = read_column(*place, keep=keep, on_note=on_note) if place else map(listed, _files(source, left_out))
    first = next(photos, None)
    if first is None:
        raise InputError(f"{source}: no rows." if place else no_photos(source or repr(source), left_out))
    return itertools.chain([first], photos)


def _files(source: str, left_out: LeftOut) -> Iterator[str]:
    pattern = _pattern(source)
    if source and Path(source).is_dir():
        yield from map(str, walk_photos(Path(source), left_out))
    elif pattern and not Path(source).exists():
        found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        yield from (path for path in found if not Path(path).is_dir())
    elif source and split_source(f"{source}:COLUMN"):
        raise InputError(f"{source}: add the column of the photo paths, {source}:COLUMN.")
    elif source and (Path(source).suffix.lower() in PHOTO_SUFFIXES or Path(source).exists()):
        yield source
    elif source:
        raise InputError(f"{source}: no such file or folder.")


def _pattern(source: str) -> str:
    """The source as a pattern, with the folders that exist taken literally; empty if the source is no pattern."""
    end = 0
    for separator in re.finditer(re.escape(os.sep), source):
        if not Path(source[: separator.end()]).is_dir():
            break
        end = separator.end()
    return glob.escape(source[:end]) + source[end:] if glob.has_magic(source[end:]) else ""
