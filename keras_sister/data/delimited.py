"""Read delimited text such as CSV: its encoding and delimiter are detected."""

import csv
import io
from pathlib import Path

from keras_sister.data.text_layout import (
    DELIMITERS,
    encoding_words,
    find_encoding,
    layout_words,
    named_delimiter,
    other_format,
    possible_delimiters,
)
from keras_sister.errors import InputError

_SAMPLE = 500  # rows that must have one number of cells for a delimiter to be accepted


def read_delimited(path: Path) -> tuple[list[tuple[str, ...]], str]:
    """Read delimited text.

    Returns:
        The cells of every row; and what was detected, such as ``UTF-8, semicolons``.

    Raises:
        InputError: if the file is not text, has one column only, or quotes are wrong, naming the line.
    """
    text, encoding = decode(path, path.read_bytes())
    if not text.strip():
        raise InputError(f"{path}: empty.")
    first, _, rest = text.partition("\n")
    if delimiter := named_delimiter(first):
        text = rest
    else:
        delimiter = _detect_delimiter(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [tuple(row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not valid CSV: {error}.") from error
    return rows, layout_words(encoding, delimiter)


def decode(path: Path, contents: bytes) -> tuple[str, str]:
    """Decode a text file.

    Returns:
        The text without byte order mark, and the name of its encoding.

    Raises:
        InputError: if the content is that of another format, or is not text.
    """
    if what := other_format(contents):
        raise InputError(f"{path}: named {path.suffix}, but its content is {what}; save it as CSV or .xlsx.")
    encoding = find_encoding([contents])
    try:
        return contents.decode(encoding), encoding
    except UnicodeDecodeError as error:
        shown = encoding_words(encoding)
        raise InputError(f"{path}: not text in {shown}, although it begins so; save it as UTF-8.") from error


def _detect_delimiter(path: Path, text: str) -> str:
    """The delimiter with which all rows have the same number of cells, of several the one with the most cells."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    shares = {}
    for strict in (True, False):  # quotes that are wrong with every delimiter are reported by the reader that follows
        for delimiter in possible_delimiters(heading):
            cells = _cells_per_row(text, delimiter, strict=strict)
            if cells and cells[0] > 1:
                shares[delimiter] = (sum(n == cells[0] for n in cells) / len(cells), cells[0])
        if shares:
            return max(shares, key=lambda delimiter: (shares[delimiter], delimiter in DELIMITERS))
    raise InputError(f"{path}: one column only; a table has a column of photos and one for each attribute.")


def _cells_per_row(text: str, delimiter: str, *, strict: bool) -> list[int]:
    """Number of cells of the first rows that are not blank; none if `strict` and quotes are wrong."""
    cells: list[int] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict):
            if any(cell.strip() for cell in row):
                cells.append(len(row))
            if len(cells) == _SAMPLE:
                break
    except csv.Error:
        return [] if strict else cells
    return cells
