"""Read a table: CSV, TSV, Excel, JSON Lines or Parquet, every cell as text.

Cells keep their spelling (``007``, ``NA``, ``1.0``); which of them mean "unknown" is decided by the dataset file. The
encoding and the delimiter of a text file are detected, and noted. pandas is not used here: it fills short rows, renames
doubled headings, and skips blank lines, after which row numbers are wrong.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_sister.data.cells import TornItemError, cell_text
from keras_sister.data.delimited import decode, read_delimited
from keras_sister.data.excel import read_excel
from keras_sister.data.names import composed
from keras_sister.errors import InputError, counted, quoted, reason_of
from keras_sister.extras import missing_extra
from keras_sister.storage.regular_files import check_regular

_MAX_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Table:
    """The cells of a table, as text.

    Attributes:
        path: the file.
        headings: heading of each column; may be blank or occur twice.
        rows: cells of each row that is not entirely empty, as many as there are headings; "" for an empty cell.
        numbers: number of each row, as a spreadsheet counts: the heading is row 1, in every format.
        note: what was detected, one line for the user.
    """

    path: Path
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    note: str

    def column(self, heading: str) -> list[str]:
        """The cells of a column, row by row.

        Raises:
            InputError: if no column or more than one has this heading.
        """
        places = [i for i, text in enumerate(self.headings) if text == composed(heading)]
        if not places:
            found = ", ".join(repr(text) for text in self.headings if text)
            raise InputError(f"{self.path}: no column '{heading}'; found {found}.")
        if len(places) > 1:
            letters = " and ".join(column_letters(place) for place in places)
            raise InputError(f"{self.path}: columns {letters} are both headed '{heading}'; rename one.")
        return [row[places[0]] for row in self.rows]


def column_letters(place: int) -> str:
    """The name of a column in a spreadsheet: A for 0, Z for 25, AA for 26."""
    letters = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def read_table(path: str | Path, *, strip: bool = True) -> Table:
    """Read a table. Its first row is the heading.

    Args:
        path: CSV, TSV or other delimited text (``.csv``, ``.tsv``, ``.txt``; UTF-8, UTF-16, UTF-32 or Windows-1252),
            Excel (``.xlsx``, the first sheet), JSON Lines (``.jsonl``, ``.ndjson``) or Parquet (``.parquet``).
        strip: drop blanks around cells; around headings they are always dropped.

    Raises:
        InputError: if the file is missing, damaged, empty, has another format, or a row has more or fewer cells than
            the heading, naming the row; if the library for Excel or Parquet is not installed.

    Example:
        >>> table = read_table("products.csv")
        >>> table.note
        'products.csv: UTF-8, semicolons, 3,000 rows, 12 columns'
        >>> table.column("neckline")[:3]
        ['round', '', 'v_shape']
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: expected a table named .csv, .tsv, .xlsx, .jsonl or .parquet.")
    check_regular(path, max_bytes=_MAX_BYTES)
    try:
        rows, how = reader(path)
    except OSError as error:
        raise InputError(f"{path}: {reason_of(error)}.") from error
    except TornItemError as error:
        raise InputError(f"{path}: {error}.") from error
    stripped = [tuple(cell.strip() for cell in row) for row in (rows if strip else rows[:1])]
    return _table(path, stripped + rows[len(stripped) :], how)


def _table(path: Path, rows: list[tuple[str, ...]], how: str) -> Table:
    if not rows or not any(rows[0]):
        raise InputError(f"{path}: row 1 is empty; it must have the headings of the columns.")
    headings, below = (sum(map(bool, row)) for row in (rows[0], rows[1] if len(rows) > 1 else ()))
    if headings == 1 < below:
        title = next(filter(None, rows[0]))
        raise InputError(
            f"{path}: row 1 has one heading only, {quoted(title)}; it must have the headings of all columns. Remove the"
            " rows above them."
        )
    # A delimiter at the end of every line, or formatted cells beside the table, make columns of nothing.
    kept = [i for i in range(len(rows[0])) if any(i < len(row) and row[i] for row in rows)]
    filled = [(number, row) for number, row in enumerate(rows[1:], start=2) if any(row)]
    for number, row in filled:
        if len(row) != len(rows[0]):
            raise InputError(
                f"{path}, row {number}: {len(row)} cells, but the heading has {len(rows[0])} ({how});"
                " a cell that contains the delimiter must be in double quotes."
            )
    if not filled:
        raise InputError(f"{path}: no rows below the heading.")
    return Table(
        path=path,
        headings=tuple(composed(rows[0][i]) for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for _, row in filled),
        numbers=tuple(number for number, _ in filled),
        note=f"{path.name}: {how}, {counted(len(filled), 'row')}, {counted(len(kept), 'column')}",
    )


def _read_json_lines(path: Path) -> tuple[list[tuple[str, ...]], str]:
    text, _ = decode(path, path.read_bytes())
    records: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):  # a text may hold the other ends of lines
        try:
            # Numbers keep their spelling.
            record = json.loads(line, parse_float=str, parse_int=str, object_pairs_hook=_unique) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not a JSON object: {reason_of(error)}.") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: expected an object, {{…}}, on every line.")
        records.append({cell_text(key).strip(): value for key, value in record.items()})
    headings = tuple(dict.fromkeys(key for record in records for key in record))
    return [headings, *(tuple(cell_text(record.get(key)) for key in headings) for record in records)], "JSON Lines"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{next(key for key in keys if keys.count(key) > 1)}' occurs twice")
    return record


def _read_parquet(path: Path) -> tuple[list[tuple[str, ...]], str]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise missing_extra(f"{path}: Parquet needs pyarrow", "parquet") from error
    try:
        table = parquet.ParquetFile(path).read()
        is_index = [name.startswith("__index_level_") for name in table.column_names]  # of pandas
        kept = [i for i, index in enumerate(is_index) if not index]
        columns = [[cell_text(value) for value in table.column(i).to_pylist()] for i in kept]
    except TornItemError:
        raise
    except Exception as error:  # pyarrow raises OSError, UnicodeDecodeError, OverflowError and others for damaged files
        raise InputError(f"{path}: not a readable Parquet file: {reason_of(error)}.") from error
    return [tuple(table.column_names[i] for i in kept), *zip(*columns, strict=True)], "Parquet"


_READERS: dict[str, Callable[[Path], tuple[list[tuple[str, ...]], str]]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".xlsx": read_excel,
    ".xlsm": read_excel,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}

TABLE_SUFFIXES = tuple(_READERS)
"""How tables are named."""
