"""A published dataset, and how it becomes a table with a dataset file."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_sister.data.dataset_file import path_in_file
from keras_sister.data.names import to_name
from keras_sister.errors import InputError
from keras_sister.schema import UNKNOWN, Attribute
from keras_sister.storage.pair import check_new, write_pair
from keras_sister.storage.yaml_files import to_yaml


@dataclass(frozen=True)
class PublishedDataset:
    """Photos, an official split, and binary attributes.

    Attributes:
        name: name of the dataset.
        folder: folder that the photos' paths are relative to.
        photos: paths, row by row.
        split: ``train``, ``val`` or ``test``, row by row.
        attributes: their published names.
        labels: int8 array, shape (photos, attributes): 0 = no, 1 = yes, −1 = unknown.
        classes: further columns by name: class names, and an int array (photos,) of class indices, −1 = unknown.
    """

    name: str
    folder: Path
    photos: list[str]
    split: list[str]
    attributes: list[str]
    labels: np.ndarray
    classes: dict[str, tuple[list[str], np.ndarray]] = field(default_factory=dict)


def write_published(dataset: PublishedDataset, out: Path) -> Path:
    """Write a dataset file, and its table beside it.

    Args:
        dataset: from one of the importers.
        out: the dataset file, ``….yaml``; the table has the same name and the suffix ``.csv``.

    Returns:
        The table's path.

    Raises:
        InputError: if a file exists already, or the first photo is missing.
    """
    table = out.with_suffix(".csv")
    check_new(out)
    if not (dataset.folder / dataset.photos[0]).is_file():
        raise InputError(f"{dataset.folder / dataset.photos[0]}: no such photo; the photos must be beside the labels.")
    names = _names([*dataset.classes, *dataset.attributes])
    columns = [[*labels, ""] for labels, _ in dataset.classes.values()]
    indices = [values for _, values in dataset.classes.values()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "split", *names])
    for row, (photo, part) in enumerate(zip(dataset.photos, dataset.split, strict=True)):
        chosen = [column[values[row]] for column, values in zip(columns, indices, strict=True)]  # −1 is the blank one
        writer.writerow([photo, part, *chosen, *(("0", "1", "")[value] for value in dataset.labels[row])])
    binary = {"classes": ["no", "yes"], "spellings": {"0": "no", "1": "yes"}}
    labelled = dict(zip(names, ({"classes": labels} for labels, _ in dataset.classes.values()), strict=False))
    attributes = {name: labelled.get(name, binary) for name in names}
    content = {
        "table": table.name,
        "folder": path_in_file(dataset.folder, out),
        "photo": "image",
        "split": "split",
        "attributes": attributes,
    }
    head = f"# {dataset.name}, imported by 'data import'. 'cv --split' tests on its official test photos.\n"
    write_pair(out, head + to_yaml(content, flow=None), beside=table, beside_text=text.getvalue())
    return table


def _names(published: list[str]) -> list[str]:
    """Valid names, no two the same."""
    names: list[str] = []
    for text in published:
        name = to_name(text) or f"attribute_{len(names) + 1}"
        try:
            Attribute(name)
        except InputError:
            name = f"{name[:60]}_label"
        while name in (*names, "image", "split"):
            name += "_2"
        names.append(name)
    return names


def signs_to_labels(values: np.ndarray) -> np.ndarray:
    """1, −1 and 0 (yes, no, unknown) to 1, 0 and −1: int8 of the same shape."""
    return np.where(values > 0, 1, np.where(values < 0, 0, UNKNOWN)).astype(np.int8)
