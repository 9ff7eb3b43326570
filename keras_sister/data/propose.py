"""Propose a dataset file for a table."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keras_sister.data.columns import UNKNOWN_TOKENS, Classes, LeftOut, describe_column
from keras_sister.data.names import comparable, to_name
from keras_sister.data.tables import Table, column_letters
from keras_sister.errors import InputError
from keras_sister.photo_files import is_photo_name
from keras_sister.schema import Attribute

RARE = 10
"""A class with fewer photos is called rare."""


@dataclass(frozen=True)
class Proposal:
    """What `propose_dataset` found in a table.

    Attributes:
        table: the table.
        photo: heading of the column of photos.
        folder: folder that their paths are relative to.
        missing: number of rows whose photo was not found.
        group: heading of the column of groups, or None.
        group_sizes: number of photos of each group.
        unknown: number of cells of the label columns by unknown token, as it is spelled most often.
        columns: classes by heading, with the name of the attribute.
        left_out: reason by heading.
    """

    table: Table
    photo: str
    folder: Path
    missing: int
    group: str | None
    group_sizes: list[int]
    unknown: dict[str, int]
    columns: dict[str, tuple[str, Classes]]
    left_out: dict[str, str]


def propose_dataset(table: Table) -> Proposal:
    """Look at every column of a table and propose how to learn from it.

    Raises:
        InputError: if no column has photo paths, or none has classes.

    Example:
        >>> proposal = propose_dataset(read_table("products.csv"))
        >>> proposal.photo, proposal.group
        ('image', 'product_id')
    """
    photo = _photo_column(table)
    folder, missing = _folder(table, table.column(photo))
    left_out: dict[str, str] = {}
    identifiers: dict[str, Counter[str]] = {}
    columns: dict[str, tuple[str, Classes]] = {}
    for place, heading in enumerate(table.headings):
        if heading == photo:
            continue
        if heading and table.headings.count(heading) > 1:
            left_out[heading] = "more than one column has this heading; rename them"
            continue
        cells = [row[place] for row in table.rows]
        found = describe_column(heading, cells, table.numbers)
        if isinstance(found, LeftOut):
            left_out[heading or f"column {column_letters(place)}"] = found.reason
            if found.is_identifier:
                identifiers[heading] = Counter(c for c in cells if comparable(c) not in UNKNOWN_TOKENS)
        else:
            columns[heading] = (_name(heading, place, found, columns), found)
    if not columns:
        reasons = "; ".join(f"{heading}: {reason}" for heading, reason in left_out.items())
        raise InputError(f"{table.path}: no column of classes found ({reasons or 'only photos'}).")
    group = _group(identifiers)
    sizes = list(identifiers[group].values()) if group else []
    if group:
        left_out[group] += "; used as group"
    return Proposal(table, photo, folder, missing, group, sizes, _unknown(table, columns), columns, left_out)


def _photo_column(table: Table) -> str:
    """The column with the most cells that are named like photos."""
    counts = {
        heading: sum(is_photo_name(row[place]) for row in table.rows)
        for place, heading in enumerate(table.headings)
        if heading
    }
    best = max(counts, key=lambda heading: counts[heading], default="")
    if not best or counts[best] < len(table.rows) / 2:
        found = ", ".join(heading for heading in table.headings if heading)
        raise InputError(f"{table.path}: no column has paths of photos (.jpg or .png); the columns are {found}.")
    return best


def _folder(table: Table, cells: list[str]) -> tuple[Path, int]:
    """The folder beside or below the table in which most photos are found, and the number of those that are not."""
    wanted = {cell for cell in cells if cell}

    def found(folder: Path) -> int:
        return sum(os.path.isfile(folder / cell) for cell in wanted)  # noqa: PTH113 - Path.is_file raises for odd names

    folders = [table.path.parent, *_subfolders(table.path.parent)]
    counts = {folder: found(folder) for folder in folders}
    best = max(folders, key=lambda folder: counts[folder])
    return best, len(wanted) - counts[best]


def _subfolders(folder: Path) -> Iterator[Path]:
    for path in _folders_in(folder):
        yield path
        yield from _folders_in(path)


def _folders_in(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:  # such as lost+found, which only root may list
        return []
    return sorted(path for path in found if os.path.isdir(path))[:50]  # noqa: PTH112 - Path.is_dir may raise


def _group(identifiers: dict[str, Counter[str]]) -> str | None:
    """The identifier that the most photos share with another photo."""
    shared = {heading: sum(n for n in counts.values() if n > 1) for heading, counts in identifiers.items()}
    best = max(shared, key=lambda heading: shared[heading], default="")
    return best if best and shared[best] and len(identifiers[best]) > 1 else None


def _name(heading: str, place: int, classes: Classes, taken: dict[str, tuple[str, Classes]]) -> str:
    """A valid name with which no attribute of this column is called like one of another."""
    name = to_name(heading) or f"column_{column_letters(place).lower()}"
    try:
        Attribute(name)
    except InputError:  # the name of one of our own outputs or columns, or a very long one
        name = f"{name[:60]}_label"
    used = {attribute for other, found in taken.values() for attribute in _attributes(other, found)}
    return f"{name}_{column_letters(place).lower()}" if used & _attributes(name, classes) else name


def _attributes(name: str, classes: Classes) -> set[str]:
    """The names of a column's attributes: one, or one for each value; the column's own is never another's."""
    return {name, *(f"{name}_{to_name(value)}" for value in classes.counts if classes.separator)}


def _unknown(table: Table, columns: dict[str, tuple[str, Classes]]) -> dict[str, int]:
    """The unknown tokens that occur, the blank cell always."""
    spelled: dict[str, Counter[str]] = {"": Counter({"": 0})}
    for heading in columns:
        for cell in table.column(heading):
            if comparable(cell) in UNKNOWN_TOKENS:
                spelled.setdefault(comparable(cell), Counter())[cell] += 1
    return {counts.most_common(1)[0][0]: sum(counts.values()) for counts in spelled.values()}
