"""From a dataset file and its table to photos and labels."""

import difflib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_sister.data.dataset import Dataset
from keras_sister.data.dataset_file import DatasetFile, LabelColumn
from keras_sister.data.finding import Finding
from keras_sister.data.inspection import Inspection
from keras_sister.data.names import comparable, composed, one_spelling
from keras_sister.data.tables import Table, read_table
from keras_sister.errors import counted
from keras_sister.photo_files import PHOTO_SUFFIXES, is_photo_name
from keras_sister.schema import UNKNOWN

SPLITS = ("train", "val", "test")
"""The values of a split column."""


def inspect_table_dataset(file: DatasetFile) -> Inspection:
    """Read the table of a dataset file. The photos are not opened.

    Rows of one photo are merged: a label that is unknown in one of them is taken from the other.

    Returns:
        The photos in the order of the table, and every problem: missing photos, cells that fit no class, rows of one
        photo that contradict each other, invalid weights or splits.

    Raises:
        InputError: if the table cannot be read or lacks a column.
    """
    table = read_table(file.table)
    problems: list[Finding] = []
    photos = _photos(file, table, problems)
    labels, notes = _labels(file, table, photos, problems)
    columns = {
        "groups": _groups(file, table),
        "weights": _weights(file, table, problems),
        "split": _split(file, table, problems),
    }
    rows, merged = _merge(file, table, photos, labels, columns, problems)
    more = [merged] if merged else []
    kept = {name: None if column is None else column[rows] for name, column in columns.items()}
    found = tuple(photo for photo in (photos[row] for row in rows) if photo)
    if (groups := kept["groups"]) is not None:
        kept["groups"] = _named(groups, found, file.photo_folder)
        if alone := int((groups == "").sum()):
            more.append(
                f"{table.path.name}: {counted(alone, 'photo')} without {file.group}; each is a group of its own."
            )
    dataset = Dataset(
        file.schema,
        found,
        labels[rows],
        **kept,
        notes=(table.note, *notes, *more),
    )
    return Inspection(dataset, tuple(problems))


def _photos(file: DatasetFile, table: Table, problems: list[Finding]) -> list[Path | None]:
    """The photo of each row, None where there is none."""
    photos: list[Path | None] = []
    faults: dict[str, list[tuple[int, str]]] = {}
    for number, cell in zip(table.numbers, table.column(file.photo), strict=True):
        path = file.photo_path(cell)
        fault = None
        if not cell:
            fault = "no photo"
        elif "://" in cell:
            fault = "a URL, not a file; download the photos first"
        elif not is_photo_name(path):
            fault = f"not named like a photo ({', '.join(PHOTO_SUFFIXES)})"
        elif not os.path.lexists(path):  # what is there but no photo is told, and left out, as in any dataset
            fault = "no such photo"
        photos.append(None if fault else path)
        if fault:
            faults.setdefault(fault, []).append((number, cell))
    for fault, found in faults.items():
        rows, cell = [number for number, _ in found], found[0][1]
        which = f": '{_shown(cell)}'{_hint(file.folder / cell, fault)}" if cell else ""
        problems.append(_problem(f"{table.path}, {_rows(rows)}, column '{file.photo}': {fault}{which}."))
    return photos


def _hint(path: Path, fault: str) -> str:
    if fault != "no such photo":
        return ""
    if "\\" in path.name:
        return " (write folders with /)"
    if not path.parent.is_dir():
        return f" (no folder {path.parent})"
    names = {comparable(file.name): file.name for file in sorted(path.parent.iterdir())[:2000]}
    near = difflib.get_close_matches(comparable(path.name), names, n=1, cutoff=0.8)
    return f" (found {names[near[0]]})" if near else f" (looked in {path.parent})"


def heading_of(column: LabelColumn, table: Table) -> str:
    """The heading of a column of labels in the table: its title, or its name."""
    return column.title if column.title and composed(column.title) in table.headings else column.name


def _labels(
    file: DatasetFile, table: Table, photos: Sequence[Path | None], problems: list[Finding]
) -> tuple[np.ndarray, list[str]]:
    """Labels (rows, attributes), and a note on cells that count as unknown."""
    labels = np.full((len(table.rows), len(file.schema)), UNKNOWN, np.int32)
    forgiven: list[str] = []
    at = 0
    for column in file.columns:
        heading = heading_of(column, table)
        cells = table.column(heading)
        values = {cell: _values(file, column, cell) for cell in set(cells)}
        width = len(column.attributes)
        labels[:, at : at + width] = [values[cell][0] for cell in cells]
        at += width
        unfit: dict[str, list[int]] = {}
        for row, cell in enumerate(cells):
            for text in values[cell][1]:
                unfit.setdefault(text, []).append(row)
        if unfit and file.on_unknown_value == "unknown":
            text, first = next((text, table.numbers[rows[0]]) for text, rows in unfit.items())
            forgiven.append(f"{heading} {sum(map(len, unfit.values()))} (such as '{_shown(text)}' in row {first})")
        elif unfit:
            for text, rows in unfit.items():
                message = _misfit(file, table, column, heading, text, [table.numbers[row] for row in rows])
                problems.append(_problem(message, *(photos[row] for row in rows)))
    if forgiven:
        return labels, [f"{table.path.name}: cells that fit no class count as unknown: {', '.join(forgiven)}."]
    return labels, []


def _values(file: DatasetFile, column: LabelColumn, cell: str) -> tuple[list[int], list[str]]:
    """The labels that a cell means, one for each attribute of the column, and the texts that fit no class."""
    width = len(column.attributes)
    if column.separator is not None and not cell.replace(column.separator, "").strip():
        cell = ""  # a list of nothing
    if not cell and column.blank is not None:
        return [0] * width if column.separator else [column.classes.index(column.blank)], []
    if _is_unknown(file, cell):
        return [UNKNOWN] * width, []
    if column.separator is None:
        place = column.meanings.get(comparable(cell))
        return ([UNKNOWN], [cell]) if place is None else ([place], [])
    items = [item.strip() for item in cell.split(column.separator) if item.strip()]
    named = [column.meanings.get(comparable(item)) for item in items]
    unfit = [item for item, place in zip(items, named, strict=True) if place is None]
    # An item that could be any value leaves the values that are not listed unknown.
    labels = [UNKNOWN if unfit else 0] * width
    for place in named:
        if place is not None:
            labels[place] = 1
    return labels, [item for item in unfit if not _is_unknown(file, item)]


def _misfit(file: DatasetFile, table: Table, column: LabelColumn, heading: str, text: str, rows: list[int]) -> str:
    near = column.nearest(text)
    hint = f"did you mean '{near}'?" if near else f"expected {_shown(', '.join(column.classes))}."
    return (
        f"{table.path}, {_rows(rows)}, column '{heading}': '{_shown(text)}' fits no class; {hint}"
        f" Correct it, add it to spellings in {file.path.name}, or use --on-unknown-value unknown."
    )


def _groups(file: DatasetFile, table: Table) -> np.ndarray | None:
    """The group of each row, "" where there is none."""
    if file.group is None:
        return None
    return np.array(["" if _is_unknown(file, cell) else one_spelling(cell) for cell in table.column(file.group)])


def _named(groups: np.ndarray, photos: Sequence[Path], folder: Path) -> np.ndarray:
    """Groups where a photo without one is its own group, named so that a moved dataset keeps its names."""
    return np.array(
        [name or f"photo {os.path.relpath(photo, folder)}" for name, photo in zip(groups, photos, strict=True)]
    )


def _weights(file: DatasetFile, table: Table, problems: list[Finding]) -> np.ndarray | None:
    if file.weight is None:
        return None
    weights = np.zeros(len(table.rows))
    wrong: list[tuple[int, str]] = []
    for i, (number, cell) in enumerate(zip(table.numbers, table.column(file.weight), strict=True)):
        try:
            weights[i] = float(cell)
        except ValueError:
            weights[i] = math.nan
        if not 0 <= weights[i] < math.inf:
            wrong.append((number, cell))
            weights[i] = 0  # a valid stand-in, so that further problems can be found
    if wrong:
        rows, cell = [number for number, _ in wrong], wrong[0][1]
        problems.append(
            _problem(
                f"{table.path}, {_rows(rows)}, column '{file.weight}': a weight is a number of at least 0."
                f" Received: '{_shown(cell)}'"
            )
        )
    elif not weights.any():
        problems.append(_problem(f"{table.path}, column '{file.weight}': all weights are 0."))
    return weights


def _split(file: DatasetFile, table: Table, problems: list[Finding]) -> np.ndarray | None:
    if file.split is None:
        return None
    cells = [comparable(cell) for cell in table.column(file.split)]
    wrong = [(n, cell) for n, cell in zip(table.numbers, cells, strict=True) if cell not in SPLITS]
    if wrong:
        rows, cell = [number for number, _ in wrong], wrong[0][1]
        problems.append(
            _problem(
                f"{table.path}, {_rows(rows)}, column '{file.split}': expected train, val or test."
                f" Received: '{_shown(cell)}'"
            )
        )
    return np.array(cells)


def _merge(
    file: DatasetFile,
    table: Table,
    photos: Sequence[Path | None],
    labels: np.ndarray,
    columns: dict[str, np.ndarray | None],
    problems: list[Finding],
) -> tuple[list[int], str | None]:
    """Merge rows of one photo into the first of them, in `labels`.

    Returns:
        The first row of every photo, and a note if there are others.
    """
    first: dict[Path, int] = {}
    repeated = 0
    for row, photo in enumerate(photos):
        if photo is None:
            continue
        kept = first.setdefault(photo, row)
        if kept == row:
            continue
        repeated += 1
        here = f"{table.path}, rows {table.numbers[kept]} and {table.numbers[row]}: the same photo '{photo.name}'"
        both = (labels[kept] != UNKNOWN) & (labels[row] != UNKNOWN)
        for i in np.flatnonzero(both & (labels[kept] != labels[row])):
            attribute = file.schema.attributes[i]
            one, other = (attribute.classes[labels[r, i]] for r in (kept, row))
            text = f"{here} with {attribute.name} '{one}' and '{other}'."
            problems.append(_problem(text, photo, kind="same_photo_other_label"))
        groups = columns["groups"]
        if groups is not None and "" in (groups[kept], groups[row]):
            groups[kept] = groups[row] = max(groups[kept], groups[row])
        for name, column in columns.items():
            if column is not None and column[kept] != column[row]:
                text = f"{here} with {name.removesuffix('s')} '{column[kept]}' and '{column[row]}'."
                problems.append(_problem(text, photo, kind="same_photo_other_group" if name == "groups" else "dataset"))
        labels[kept] = np.where(labels[kept] == UNKNOWN, labels[row], labels[kept])
    note = (
        f"{table.path.name}: {counted(repeated, 'row')} of a photo that an earlier row has, merged with that row."
        if repeated
        else None
    )
    return list(first.values()), note


def _problem(text: str, *photos: Path | None, kind: str = "dataset") -> Finding:
    return Finding(kind, text, tuple(photo for photo in photos if photo), is_problem=True)


def _is_unknown(file: DatasetFile, cell: str) -> bool:
    return comparable(cell) in {comparable(token) for token in ("", *file.unknown)}


def _rows(numbers: list[int]) -> str:
    more = f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""
    return f"row {numbers[0]}{more}"


def _shown(text: str) -> str:
    """A cell as messages quote it."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:79]}…"
