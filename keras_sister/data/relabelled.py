"""Write a dataset again with other labels: as a folder, or as a dataset file with a table beside it."""

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.data.dataset import Dataset
from keras_sister.data.dataset_file import DatasetFile, LabelColumn, path_in_file, read_dataset_file
from keras_sister.data.dcsa import write_labels
from keras_sister.data.open import is_dataset_file, open_dataset
from keras_sister.data.table_dataset import heading_of
from keras_sister.data.tables import read_table
from keras_sister.errors import InputError
from keras_sister.schema import UNKNOWN
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers
from keras_sister.storage.pair import check_new, write_pair
from keras_sister.storage.yaml_files import to_yaml


def check_out(path: Path, out: Path) -> None:
    """Check that `write_relabelled` can write there.

    Raises:
        InputError: if it exists, or `out` is not named like the kind of dataset that `path` is.
    """
    if is_dataset_file(path) != is_dataset_file(out):
        expected = "a dataset file with the suffix .yaml" if is_dataset_file(path) else "a folder"
        raise InputError(f"{out}: --out must be {expected}, because {path} is one.")
    check_new(out)


def write_relabelled(
    path: Path, out: Path, dataset: Dataset, labels: np.ndarray, *, on_unknown_value: str | None = None
) -> None:
    """Write a dataset again with other labels.

    A folder is copied with its photos and masks. Of a dataset file, the photos stay where they are: the new file has a
    table beside it, with the suffix ``.csv``, that differs from the old one in the cells of changed labels only. A
    column with several values in a cell becomes one column for each value if a label of it has changed, because a list
    cannot say of one value that it is unknown.

    Args:
        path: the folder or dataset file.
        out: what to write, see `check_out`.
        dataset: what `path` holds.
        labels: the new labels: int array, shape (len(dataset), attributes).
        on_unknown_value: what `path` was opened with.

    Raises:
        InputError: if the new labels cannot be written as a table, or the table beside `out` exists.
        OSError: if a file cannot be copied or written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if not is_dataset_file(path):
        _write_folder(path, out, dataset, labels)
        return
    file = read_dataset_file(path)
    table, columns = _table(file, dataset, labels)
    content = _content(file, out, columns, on_unknown_value or file.on_unknown_value)
    beside = out.with_suffix(".csv")
    text = f"# Written by 'sister-keras data apply' from {path.name}\n{to_yaml(content, flow=None)}"
    write_pair(out, text, beside=beside, beside_text=table)
    try:
        if not np.array_equal(open_dataset(out).labels, labels):
            raise InputError("its labels differ.")
    except InputError as error:
        out.unlink()
        beside.unlink()
        raise InputError(f"{path}: the new labels cannot be written as a table: {error}") from error


def _write_folder(path: Path, out: Path, dataset: Dataset, labels: np.ndarray) -> None:
    remove_leftovers(out.parent)
    aside = out.with_name(f"{aside_prefix()}{out.name}")
    try:
        for folder in ("images", "masks"):
            if (path / folder).is_dir():
                (aside / folder).mkdir(parents=True)
        for photo in dataset.photos:
            shutil.copyfile(photo, aside / "images" / photo.name)
            mask = path / "masks" / f"{photo.stem}.png"
            if mask.is_file():
                shutil.copyfile(mask, aside / "masks" / mask.name)
        write_labels(aside, dataset.schema, labels)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _table(file: DatasetFile, dataset: Dataset, labels: np.ndarray) -> tuple[str, dict[str, Any]]:
    """The new table as CSV, and the content of ``attributes`` that describes it."""
    table = read_table(file.table)
    places = {photo: row for row, photo in enumerate(dataset.photos)}
    rows = [places[file.photo_path(cell)] for cell in table.column(file.photo)]
    columns = [[heading, *cells] for heading, cells in zip(table.headings, zip(*table.rows, strict=True), strict=True)]
    attributes: dict[str, Any] = {}
    at = 0
    for column in file.columns:
        heading = heading_of(column, table)
        old, new = (each[rows, at : at + len(column.attributes)] for each in (dataset.labels, labels))
        at += len(column.attributes)
        place = next((i for i, cells in enumerate(columns) if cells[0] == heading), None)
        if place is None:
            raise InputError(f"{file.path}: two attributes have the column '{heading}'; give each a column of its own.")
        if column.separator is None:
            attributes[column.name] = _described(column)
            for i in np.flatnonzero(old[:, 0] != new[:, 0]).tolist():
                columns[place][i + 1] = column.classes[new[i, 0]]
        elif np.array_equal(old, new):
            attributes[column.name] = _described(column)
        else:
            columns[place : place + 1] = _one_for_each(column, new, attributes, [cells[0] for cells in columns])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    return text.getvalue(), attributes


def _one_for_each(
    column: LabelColumn, labels: np.ndarray, attributes: dict[str, Any], headings: list[str]
) -> list[list[str]]:
    """A column of no and yes for each value; they are added to `attributes`."""
    columns = []
    for attribute, values in zip(column.attributes, labels.T, strict=True):
        heading = attribute.name
        while heading in headings:
            heading += "_"
        titled = {"title": heading} if heading != attribute.name else {}
        attributes[attribute.name] = {"classes": list(attribute.classes), **titled}
        columns.append([heading, *("" if value == UNKNOWN else attribute.classes[value] for value in values)])
    return columns


def _described(column: LabelColumn) -> dict[str, Any]:
    """The column as a dataset file describes it."""
    listed = "classes" if column.separator is None else "values"
    more = {"title": column.title, "separator": column.separator, "blank": column.blank}
    found = {listed: list(column.classes), **{key: value for key, value in more.items() if value}}
    return {**found, "spellings": dict(column.spellings)} if column.spellings else found


def _content(file: DatasetFile, out: Path, attributes: dict[str, Any], on_unknown_value: str) -> dict[str, Any]:
    """The content of the new dataset file."""
    folder = path_in_file(file.folder, out)
    columns = {key: getattr(file, key) for key in ("group", "weight", "split") if getattr(file, key)}
    return {
        "table": out.with_suffix(".csv").name,
        "folder": folder,
        "photo": file.photo,
        **columns,
        "unknown": list(file.unknown),
        "on_unknown_value": on_unknown_value,
        "attributes": attributes,
    }
