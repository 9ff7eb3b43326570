"""Table files: Parquet, CSV and JSON Lines, written in parts that are joined at the end."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from keras_sister.errors import InputError
from keras_sister.extras import missing_extra
from keras_sister.serving.predictions import DIGITS

Row = dict[str, Any]
"""The values of a photo by column: numbers, strings, lists of strings, or None."""


class Headings(NamedTuple):
    """The headings of a table, of whatever origin.

    Attributes:
        of_all: those that every row has.
        of_any: those that a row has, in JSON Lines perhaps not every one.
    """

    of_all: Collection[str]
    of_any: Collection[str]


class TableFormat(Protocol):
    """One file format."""

    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        """Write a part."""

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Join parts, with one in memory at a time."""

    def headings(self, path: Path) -> Headings:
        """The headings of a table, of whatever origin."""

    def read(self, path: Path, columns: dict[str, type]) -> Iterator[Row]:
        """Read the rows of a table, one at a time; columns that it lacks are None."""


def table_format(path: Path) -> TableFormat:
    """The format of a path's suffix.

    Raises:
        InputError: for another suffix, or if the library for Parquet is not installed.
    """
    if path.suffix == ".csv":
        return _Csv()
    if path.suffix == ".jsonl":
        return _JsonLines()
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401 - an extra
        except ImportError as error:
            raise missing_extra(f"{path}: Parquet needs pyarrow", "parquet") from error
        return _Parquet()
    raise InputError(f"{path}: expected a name with the suffix .parquet, .csv or .jsonl.")


class _JsonLines:
    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def join(self, parts: Iterable[Path], path: Path) -> None:
        with path.open("wb") as file:
            for part in parts:
                file.write(part.read_bytes())

    def headings(self, path: Path) -> Headings:
        of_all: set[str] | None = None
        of_any: dict[str, None] = {}  # in the order of the file
        with path.open(encoding="utf-8") as file:
            for line in file:
                names = dict.fromkeys(dict(json.loads(line)))
                of_all = set(names) if of_all is None else of_all & names.keys()
                of_any |= names
        return Headings(of_all or (), of_any)

    def read(self, path: Path, columns: dict[str, type]) -> Iterator[Row]:
        with path.open(encoding="utf-8") as file:
            yield from (dict.fromkeys(columns) | json.loads(line) for line in file)


class _Csv:
    """Lists are joined by semicolons, None becomes an empty cell, numbers have six digits after the point."""

    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)

    def join(self, parts: Iterable[Path], path: Path) -> None:
        with path.open("wb") as file:
            for i, part in enumerate(parts):
                header, _, rows = part.read_bytes().partition(b"\r\n")
                file.write((b"" if i else header + b"\r\n") + rows)

    def headings(self, path: Path) -> Headings:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file, strict=True), [])
        return Headings(names, names)

    def read(self, path: Path, columns: dict[str, type]) -> Iterator[Row]:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file, strict=True):
                yield {name: _value(row.get(name), kind) for name, kind in columns.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(value)
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else value


def _value(cell: str | None, kind: type) -> Any:
    if kind is list:
        return cell.split(";") if cell else []
    if not cell:
        return None
    return kind(cell) if kind in (int, float) else cell


class _Parquet:
    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        import pyarrow
        from pyarrow import parquet

        text = pyarrow.string()
        kinds = {str: text, int: pyarrow.int64(), float: pyarrow.float32(), list: pyarrow.list_(text)}
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
        parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), path)

    def join(self, parts: Iterable[Path], path: Path) -> None:
        from pyarrow import parquet

        writer = None
        try:
            for part in parts:
                table = parquet.read_table(part)
                writer = writer or parquet.ParquetWriter(path, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()

    def headings(self, path: Path) -> Headings:
        from pyarrow import parquet

        names = list(parquet.read_schema(path).names)
        return Headings(names, names)

    def read(self, path: Path, columns: dict[str, type]) -> Iterator[Row]:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield {name: _rounded(row.get(name)) for name in columns}


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value  # float32 has more digits as a Python float
