"""Open a dataset: a folder in DCSA's layout, or a dataset file that names a table."""

from dataclasses import replace
from pathlib import Path

from keras_sister.data.choices import DATASET_FILE_SUFFIXES
from keras_sister.data.dataset import Dataset
from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.data.dcsa import find_photos, read_labels
from keras_sister.data.finding import Finding
from keras_sister.data.inspection import Inspection
from keras_sister.data.table_dataset import inspect_table_dataset
from keras_sister.errors import InputError
from keras_sister.schema import DCSA


def open_dataset(path: str | Path, *, on_unknown_value: str | None = None) -> Dataset:
    """Open a dataset. The photos are not opened.

    Args:
        path: a folder in DCSA's layout (`keras_sister.data.dcsa`), or a dataset file
            (`keras_sister.data.dataset_file`).
        on_unknown_value: ``error`` or ``unknown``, instead of the dataset file's: what a cell is that fits no class.

    Raises:
        InputError: for the first problem, naming file and row, with the number of the others.

    Example:
        >>> dataset = open_dataset("dataset.yaml")
        >>> len(dataset), dataset.schema.names
        (3000, ['neckline', 'scarf', 'colours_red', 'colours_blue', 'colours_green'])
    """
    inspection = inspect_dataset(path, on_unknown_value=on_unknown_value)
    if inspection.problems:
        rest = len(inspection.problems) - 1
        also = f" ({rest} more; 'sister-keras data check' lists them.)" if rest else ""
        raise InputError(f"{inspection.problems[0]}{also}")
    return inspection.dataset


def inspect_dataset(path: str | Path, *, on_unknown_value: str | None = None) -> Inspection:
    """Open a dataset and list all of its problems; see `open_dataset`.

    Raises:
        InputError: if there is no dataset to inspect: a missing file, an invalid dataset file, an unreadable table.
    """
    path = Path(path)
    if is_dataset_file(path):
        file = read_dataset_file(path)
        return inspect_table_dataset(replace(file, on_unknown_value=on_unknown_value or file.on_unknown_value))
    if path.is_file():
        raise InputError(
            f"{path}: expected a folder or a dataset file (.yaml)."
            f" For a table: sister-keras data init {path} --out dataset.yaml"
        )
    if on_unknown_value:
        raise InputError(f"{path}: --on-unknown-value is for dataset files (.yaml).")
    photos, problems = find_photos(path)
    labels, more = read_labels(path, DCSA, photos)
    findings = (Finding("dataset", text, is_problem=True) for text in (*problems, *more))
    return Inspection(Dataset(DCSA, tuple(photos), labels), tuple(findings))


def is_dataset_file(path: Path) -> bool:
    """Whether a path is named like a dataset file; otherwise it is a folder."""
    return path.suffix.lower() in DATASET_FILE_SUFFIXES and not path.is_dir()
