"""Read photo paths from a column of a table, ``TABLE:COLUMN``.

CSV is read row by row, so that a catalogue of any length fits into memory; tables of other formats are read whole.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_sister.catalogue.csv_column import OnNote, read_csv_column
from keras_sister.catalogue.listed_photo import ListedPhoto, existing, listed
from keras_sister.data.tables import TABLE_SUFFIXES, read_table

_SUFFIXES = [suffix for suffix in TABLE_SUFFIXES if suffix != ".txt"]  # a list of paths, not a table
_SOURCE = re.compile(f"(.+?(?:{'|'.join(map(re.escape, _SUFFIXES))})):(.+)", re.IGNORECASE | re.DOTALL)


def split_source(source: str) -> tuple[Path, str] | None:
    """The file and the column of ``TABLE:COLUMN``; None for anything else."""
    found = _SOURCE.fullmatch(source)
    return (Path(found[1]), found[2]) if found else None


def read_column(file: Path, column: str, *, keep: Sequence[str], on_note: OnNote) -> Iterator[ListedPhoto]:
    """Read the rows of a table, one at a time; blank rows are none.

    Args:
        file: CSV, TSV, Excel, JSON Lines or Parquet, with headings.
        column: heading of the photo paths, which are relative to the file's folder.
        keep: headings of the columns to carry through.
        on_note: see `OnNote`.

    Raises:
        InputError: if the file is not readable, or a column is missing or exists twice, naming the columns; if the
            library for Excel or Parquet is not installed.
    """
    if file.suffix.lower() in (".csv", ".tsv"):
        yield from read_csv_column(file, column, keep=keep, on_note=on_note)
        return
    table = read_table(file, strip=False)
    for path, *kept in zip(*map(table.column, (column, *keep)), strict=True):
        yield existing(listed(path, folder=file.parent, kept=tuple(kept)), file.parent)
