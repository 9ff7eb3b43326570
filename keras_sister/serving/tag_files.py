"""Tags as a table in a file: Parquet, CSV or JSON lines; written in parts, put together at the end."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from keras_sister.errors import InputError

Row = dict[str, Any]
"""The values of a photo by column: numbers, strings, lists of strings, None."""


class TagFile(Protocol):
    """One kind of file."""

    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        """Write a part."""

    def join(self, parts: Iterable[Path], path: Path) -> None:
        """Put parts together, one in memory at a time."""


def tag_file(path: Path) -> TagFile:
    """The kind of file that a path's ending names.

    Raises:
        InputError: for another ending, or where Parquet's library is missing.
    """
    if path.suffix == ".csv":
        return _Csv()
    if path.suffix == ".jsonl":
        return _JsonLines()
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401 - an extra
        except ImportError as error:
            raise InputError(f"{path}: Parquet needs pyarrow: pip install 'keras-sister[parquet]'.") from error
        return _Parquet()
    raise InputError(f"{path}: expected a name that ends in .parquet, .csv or .jsonl.")


class _JsonLines:
    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def join(self, parts: Iterable[Path], path: Path) -> None:
        with path.open("wb") as file:
            for part in parts:
                file.write(part.read_bytes())


class _Csv:
    """Lists are joined by semicolons, None is empty."""

    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows(
                {name: ";".join(v) if isinstance(v, list) else v for name, v in row.items()} for row in rows
            )

    def join(self, parts: Iterable[Path], path: Path) -> None:
        with path.open("wb") as file:
            for i, part in enumerate(parts):
                header, _, rows = part.read_bytes().partition(b"\r\n")
                file.write((b"" if i else header + b"\r\n") + rows)


class _Parquet:
    def write(self, path: Path, rows: Sequence[Row], columns: dict[str, type]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {str: pa.string(), float: pa.float32(), list: pa.list_(pa.string())}
        schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)

    def join(self, parts: Iterable[Path], path: Path) -> None:
        import pyarrow.parquet as pq

        writer = None
        try:
            for part in parts:
                table = pq.read_table(part)
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
