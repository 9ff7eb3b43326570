"""The photos of a catalogue, as a user names them; a path at a time, so that there may be any number."""

import csv
import glob
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from keras_sister.errors import InputError

_ENDINGS = (".jpg", ".jpeg", ".png")


def photo_paths(sources: Iterable[str], *, stdin: BinaryIO) -> Iterator[str]:
    """Find photos.

    Args:
        sources: any of

            - a file: itself;
            - a folder: the JPEGs and PNGs in it and below it, by name;
            - a pattern such as ``photos/*.jpg``: the files that fit, by name;
            - ``FILE.csv:COLUMN``: what stands in that column, relative to the CSV file;
            - ``-``: a path a line on `stdin`.
        stdin: read for ``-``.

    Yields:
        Paths; whether a file named by itself, in a CSV file or on `stdin` exists is not looked at.

    Raises:
        InputError: for a folder or pattern without photos, or a CSV file without such a column.
    """
    for source in sources:
        if source == "-":
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in stdin if line.strip())
        elif ".csv:" in source.lower():
            yield from _column(source)
        elif Path(source).is_dir():
            yield from _some(_in_folder(Path(source)), source)
        elif glob.has_magic(source) and not Path(source).exists():
            found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - a pattern may be absolute
            yield from _some(iter(found), source)
        else:
            yield source


def _in_folder(folder: Path, within: frozenset[Path] = frozenset()) -> Iterator[str]:
    """A folder's photos, then those of its folders, by name; without those whose name begins with a dot.

    A link to nowhere is a photo that cannot be read; one to a folder that it lies in would lead round in circles.
    """
    within |= {folder.resolve()}
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    yield from (str(entry) for entry in entries if entry.suffix.lower() in _ENDINGS and not entry.is_dir())
    for entry in entries:
        if entry.is_dir() and entry.resolve() not in within:
            yield from _in_folder(entry, within)


def _some(paths: Iterator[str], source: str) -> Iterator[str]:
    first = next(paths, None)
    if first is None:
        raise InputError(f"{source}: no JPEG or PNG here.")
    return itertools.chain([first], paths)


def _column(source: str) -> Iterator[str]:
    end = source.lower().index(".csv:") + len(".csv")
    place, column = source[:end], source[end + 1 :]
    try:
        with Path(place).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if column not in (rows.fieldnames or ()):
                raise InputError(
                    f"{place}: no column '{column}'; there are {', '.join(rows.fieldnames or ()) or 'none'}."
                )
            yield from (str(Path(place).parent / row[column]) for row in rows if row[column])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{place}: not a readable CSV file: {getattr(error, 'strerror', None) or error}.") from error
