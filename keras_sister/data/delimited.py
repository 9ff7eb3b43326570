"""Read delimited text such as CSV: its encoding and delimiter are detected."""

import codecs
import csv
import io
from pathlib import Path

from keras_sister.errors import InputError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SAMPLE = 500  # rows that must have one number of cells for a delimiter to be accepted
_BOMS = {  # the longer ones first: UTF-32's begins like UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ENCODINGS = {
    "utf-32": "UTF-32",
    "utf-8-sig": "UTF-8",
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 without a byte order mark",
    "utf-16-be": "UTF-16 without a byte order mark",
    "cp1252": "Windows-1252 (Latin-1)",
    "latin-1": "Latin-1",
}
_MAGIC = {
    b"PK\x03\x04": "Excel (.xlsx)",
    b"PAR1": "Parquet (.parquet)",
    b"\xd0\xcf\x11\xe0": "old Excel (.xls); save it as .xlsx",
}


def read_delimited(path: Path) -> tuple[list[tuple[str, ...]], str]:
    """Read delimited text.

    Returns:
        The cells of every row, without surrounding blanks; and what was detected, such as ``UTF-8, semicolons``.

    Raises:
        InputError: if the file is not text, has one column only, or quotes are wrong, naming the line.
    """
    text, encoding = decode(path, path.read_bytes())
    first, _, rest = text.partition("\n")
    hint = first.rstrip("\r")
    if hint.lower().startswith("sep=") and len(hint) == 5:  # a line for Excel, not a row
        delimiter, text = hint[4], rest
    else:
        delimiter = _detect_delimiter(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [tuple(cell.strip() for cell in row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not valid CSV: {error}.") from error
    return rows, f"{_ENCODINGS[encoding]}, {_DELIMITERS.get(delimiter, f'delimiter {delimiter!r}')}"


def decode(path: Path, contents: bytes) -> tuple[str, str]:
    """Decode a text file.

    Returns:
        The text without byte order mark, and the name of its encoding.

    Raises:
        InputError: if the content is that of another format, or is not text.
    """
    for magic, what in _MAGIC.items():
        if contents.startswith(magic):
            raise InputError(f"{path}: named {path.suffix}, but its content is {what}.")
    marked = next((encoding for bom, encoding in _BOMS.items() if contents.startswith(bom)), None)
    # Most letters of a table are Latin, so that every second byte of UTF-16 is zero.
    even, odd = contents[:1000:2].count(0), contents[1:1000:2].count(0)
    unmarked = "utf-16-be" if even > odd else "utf-16-le"
    many = max(even, odd) > len(contents[:1000]) / 6
    for encoding in [marked] if marked else [unmarked] if many else ["utf-8", "cp1252", "latin-1"]:
        try:
            return contents.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: not text in {_ENCODINGS[marked or unmarked]}, although it begins so; save it as UTF-8.")


def _detect_delimiter(path: Path, text: str) -> str:
    """The delimiter with which all rows have the same number of cells, of several the one with the most cells."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    others = sorted({c for c in heading if not c.isalnum() and not c.isspace() and c not in "\"'_-./()"})
    counts = {}
    for delimiter in dict.fromkeys([*_DELIMITERS, *others]):
        cells = _cells_per_row(text, delimiter)
        if cells and cells[0] > 1:
            counts[delimiter] = (sum(n == cells[0] for n in cells) / len(cells), cells[0])
    if not counts:
        raise InputError(f"{path}: one column only; a table has a column of photos and one for each attribute.")
    return max(counts, key=lambda delimiter: (counts[delimiter], delimiter in _DELIMITERS))


def _cells_per_row(text: str, delimiter: str) -> list[int]:
    """Number of cells of the first rows that are not blank."""
    cells: list[int] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True):
            if any(cell.strip() for cell in row):
                cells.append(len(row))
            if len(cells) == _SAMPLE:
                break
    except csv.Error:
        pass  # the reader that follows names the line
    return cells
