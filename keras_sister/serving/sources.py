"""The photos of a catalogue, as a user names them; a path at a time, so that there may be any number."""

import codecs
import csv
import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from keras_sister.errors import InputError

_ENDINGS = (".jpg", ".jpeg", ".png")


def photo_paths(sources: Sequence[str], *, stdin: BinaryIO) -> Iterator[str]:
    """Find photos; what cannot be right is said before the first.

    Args:
        sources: any of

            - a file: itself;
            - a folder: the JPEGs and PNGs in it and below it, by name;
            - a pattern such as ``photos/*.jpg``: the files that fit, by name;
            - ``FILE.csv:COLUMN``: what stands in that column, relative to the CSV file;
            - ``-``: a path a line on `stdin`.
        stdin: read for ``-``.

    Returns:
        Paths, one at a time; whether a photo named by itself, in a CSV file or on `stdin` exists is not looked at.

    Raises:
        InputError: for a folder or pattern without photos, a CSV file without such a column or without a column named,
            or what is neither there nor named as a photo is.
    """
    return itertools.chain.from_iterable([_lines(stdin) if source == "-" else _some(source) for source in sources])


def _lines(stdin: BinaryIO) -> Iterator[str]:
    for line in stdin:
        path = line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        if path.strip():
            yield os.fsdecode(path)


def _some(source: str) -> Iterator[str]:
    files = _files(source)
    first = next(files, None)
    if first is None:
        raise InputError(f"{source or repr(source)}: no JPEG or PNG here.")
    return itertools.chain([first], files)


def _files(source: str) -> Iterator[str]:
    if ".csv:" in source.lower():
        yield from _column(source)
    elif source and Path(source).is_dir():
        yield from _in_folder(Path(source))
    elif glob.has_magic(source) and not Path(source).exists():
        found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        yield from (path for path in found if not Path(path).is_dir())
    elif source.lower().endswith(".csv"):
        raise InputError(f"{source}: name the column with the photos' paths, {source}:COLUMN.")
    elif source and (Path(source).suffix.lower() in _ENDINGS or Path(source).exists()):
        yield source
    elif source:
        raise InputError(f"{source}: no such file or folder.")


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
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{place}: not a readable CSV file, in UTF-8 and with commas: {reason}.") from error
