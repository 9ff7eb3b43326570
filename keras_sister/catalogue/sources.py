"""Expand the sources of a catalogue job to photo paths, one at a time."""

import codecs
import csv
import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from keras_sister.errors import InputError
from keras_sister.photo_files import PHOTO_SUFFIXES, LeftOut, no_photos, walk_photos


def photo_paths(sources: Sequence[str], *, stdin: BinaryIO, left_out: LeftOut | None = None) -> Iterator[str]:
    """Find photos. All sources are validated before the first photo.

    Args:
        sources: each one of

            - a file;
            - a folder: the JPEGs, PNGs and WebPs in it and in its subfolders, by name;
            - a pattern such as ``photos/*.jpg``: the matching files, by name;
            - ``FILE.csv:COLUMN``: the paths in that column, relative to the CSV file;
            - ``-``: one path per line on `stdin`.
        stdin: read for ``-``.
        left_out: receives the files in folders that are not named like photos, as the folders are read.

    Returns:
        Paths, one at a time. Single files, and those from a CSV file or `stdin`, need not exist.

    Raises:
        InputError: for a folder or pattern without photos, a CSV file without the column or without a column name, or a
            source that neither exists nor is named like a photo.
    """
    left_out = LeftOut() if left_out is None else left_out
    return itertools.chain.from_iterable(
        [_lines(stdin) if source == "-" else _checked(source, left_out) for source in sources]
    )


def _lines(stdin: BinaryIO) -> Iterator[str]:
    for line in stdin:
        path = line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        if path.strip():
            yield os.fsdecode(path)


def _checked(source: str, left_out: LeftOut) -> Iterator[str]:
    files = _files(source, left_out)
    first = next(files, None)
    if first is None:
        raise InputError(no_photos(source or repr(source), left_out))
    return itertools.chain([first], files)


def _files(source: str, left_out: LeftOut) -> Iterator[str]:
    if ".csv:" in source.lower():
        yield from _column(source)
    elif source and Path(source).is_dir():
        yield from map(str, walk_photos(Path(source), left_out))
    elif glob.has_magic(source) and not Path(source).exists():
        found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        yield from (path for path in found if not Path(path).is_dir())
    elif source.lower().endswith(".csv"):
        raise InputError(f"{source}: add the column of the photo paths, {source}:COLUMN.")
    elif source and (Path(source).suffix.lower() in PHOTO_SUFFIXES or Path(source).exists()):
        yield source
    elif source:
        raise InputError(f"{source}: no such file or folder.")


def _column(source: str) -> Iterator[str]:
    end = source.lower().index(".csv:") + len(".csv")
    place, column = source[:end], source[end + 1 :]
    try:
        with Path(place).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if column not in (rows.fieldnames or ()):
                raise InputError(f"{place}: no column '{column}'; found {', '.join(rows.fieldnames or ()) or 'none'}.")
            yield from (str(Path(place).parent / row[column]) for row in rows if row[column])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{place}: not a readable CSV file in UTF-8 with commas: {reason}.") from error
