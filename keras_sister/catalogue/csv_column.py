"""Read photo paths from a column of a CSV file, as spreadsheets and databases write them.

Encoding and delimiter are found in the file, see `keras_sister.data.text_layout`: the delimiter is the one that gives
the wanted headings. What is not UTF-8 with commas is reported.
"""

import csv
import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from keras_sister.catalogue.listed_photo import ListedPhoto, existing, listed
from keras_sister.data.names import composed
from keras_sister.data.text_layout import (
    DELIMITERS,
    START,
    find_encoding,
    layout_words,
    named_delimiter,
    other_format,
    possible_delimiters,
)
from keras_sister.errors import InputError

OnNote = Callable[[str], None]
"""Called with a line about how a file was read."""

_SHOWN = 300  # characters of the headings in an error


def read_csv_column(file: Path, column: str, *, keep: Sequence[str], on_note: OnNote) -> Iterator[ListedPhoto]:
    """Read the rows of a CSV file, one at a time; blank lines are no rows.

    Args:
        file: a CSV file with a heading.
        column: heading of the photo paths, which are relative to the file's folder.
        keep: headings of the columns to carry through.
        on_note: see `OnNote`.

    Raises:
        InputError: if the file is not readable, or a column is missing or exists twice, naming the columns.
    """
    column, keep = composed(column), [composed(name) for name in keep]
    try:
        layout = _find_layout(file, (column, *keep))
        if note := layout.note():
            on_note(f"{file}: {note}")
        yield from _rows(file, column, keep, layout)
    except (OSError, UnicodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: not a readable CSV file: {reason}.") from error


@dataclass(frozen=True)
class _Layout:
    encoding: str
    delimiter: str
    headings: list[str]
    first_line: bool  # whether a line sep=; precedes the heading, as Excel writes and reads it

    def fit(self, wanted: Sequence[str]) -> tuple[bool, bool, int]:
        """The more, the likelier it is how the file is meant: wanted headings, a usual delimiter, many headings."""
        usual = self.delimiter in DELIMITERS and len(self.headings) > 1
        return set(wanted) <= set(self.headings), usual, len(self.headings)

    def note(self) -> str:
        """What is unusual about it."""
        found = layout_words(self.encoding, self.delimiter)
        return "" if found == layout_words("utf-8", ",") else f"read as {found}."

    def open(self, file: Path) -> IO[str]:
        stream = file.open(newline="", encoding=self.encoding)
        if self.first_line:
            stream.readline()
        return stream


def _find_layout(file: Path, wanted: Sequence[str]) -> _Layout:
    encoding = _find_encoding(file)
    with file.open(newline="", encoding=encoding) as stream:
        first = stream.readline()
        named = named_delimiter(first)
        if named is None:
            stream.seek(0)
        start = stream.tell()
        layouts = []
        for delimiter in [named] if named else possible_delimiters(first):
            stream.seek(start)
            first_row = next(csv.reader(stream, delimiter=delimiter), [])
            headings = [composed(heading.strip()) for heading in first_row]
            layouts.append(_Layout(encoding, delimiter, headings, named is not None))
    best = max(layouts, key=lambda layout: layout.fit(wanted))
    for name in wanted:
        if best.headings.count(name) != 1:
            found = "more than one column" if name in best.headings else "no column"
            shown = textwrap.shorten(", ".join(best.headings), _SHOWN, placeholder=" …") or "none"
            raise InputError(f"{file}: {found} '{name}'; found {shown}.")
    return best


def _find_encoding(file: Path) -> str:
    if file.exists() and not file.is_file():
        raise InputError(f"{file}: not a file.")
    with file.open("rb") as stream:
        start = stream.read(START)
        if what := other_format(start):
            raise InputError(f"{file}: named {file.suffix}, but its content is {what}; save it as CSV.")
        return find_encoding(itertools.chain((start,), iter(lambda: stream.read(1 << 20), b"")))


def _rows(file: Path, column: str, keep: Sequence[str], layout: _Layout) -> Iterator[ListedPhoto]:
    width = len(layout.headings)
    place, kept_places = layout.headings.index(column), [layout.headings.index(name) for name in keep]
    with layout.open(file) as stream:
        reader = csv.reader(stream, delimiter=layout.delimiter, strict=True)
        for cells in _cells(file, reader):
            extra = any(cells[width:])
            cells += [""] * (width - len(cells))
            kept = tuple(cells[i] for i in kept_places)
            if extra:
                # Without the line's number, so that all such rows are one reason.
                yield ListedPhoto(cells[place], kept=kept, error="more cells than headings in the CSV file")
            else:
                yield existing(listed(cells[place], folder=file.parent, kept=kept), file.parent, layout.encoding)


def _cells(file: Path, reader: Any) -> Iterator[list[str]]:
    """The cells of each row below the heading. A quote that is never closed would take all rows after it into one."""
    try:
        next(reader)
        yield from filter(None, reader)
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: not valid CSV: {error}.") from error
