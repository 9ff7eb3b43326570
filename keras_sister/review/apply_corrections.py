"""Take corrected labels back into a dataset."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.data.dataset import Dataset
from keras_sister.data.open import open_dataset
from keras_sister.data.relabelled import check_out, write_relabelled
from keras_sister.errors import InputError, counted, quoted, shortened
from keras_sister.photo_files import content_hash_or_none
from keras_sister.review.correction import Correction
from keras_sister.review.fiftyone import read_fiftyone
from keras_sister.review.label_studio import JSON_MIN_KEYS, is_json_min, read_label_studio
from keras_sister.schema import Schema
from keras_sister.storage.json_files import read_json


@dataclass(frozen=True)
class Applied:
    """What came of corrections.

    Attributes:
        corrections: how many there are, photo by photo and attribute by attribute.
        changed: how many labels of the dataset they changed.
        photos: how many photos have a changed label.
    """

    corrections: int
    changed: int
    photos: int


def apply_corrections(
    dataset: str | Path,
    corrections: str | Path,
    out: str | Path,
    *,
    on_unknown_value: str | None = None,
    on_photo: Callable[[], None] = lambda: None,
) -> Applied:
    """Write a dataset in which labels are corrected. The given one stays as it is.

    A correction holds for every photo of the same content, whatever its name and place.

    Args:
        dataset: see `keras_sister.data.open.open_dataset`.
        corrections: see `read_corrections`.
        out: the dataset to write: a folder for a folder, a dataset file for a dataset file.
        on_unknown_value: see `keras_sister.data.open.open_dataset`.
        on_photo: called after each photo of the dataset was read.

    Raises:
        InputError: for a correction of an unknown photo, attribute or class, for two that contradict each other, or if
            there are none; if the dataset cannot be read, or `out` exists.
        OSError: if `out` cannot be written.

    Example:
        >>> apply_corrections("DCSA", "export.json", "DCSA2")
        Applied(corrections=20, changed=19, photos=18)
    """
    check_out(Path(dataset), Path(out))
    given = open_dataset(dataset, on_unknown_value=on_unknown_value)
    found = read_corrections(Path(corrections), given.schema)
    labels = _corrected(given, found, str(dataset), on_photo)
    write_relabelled(Path(dataset), Path(out), given, labels, on_unknown_value=on_unknown_value)
    changed = labels != given.labels
    return Applied(
        corrections=len(found),
        changed=int(changed.sum()),
        photos=int(changed.any(axis=1).sum()),
    )


def read_corrections(path: Path, schema: Schema) -> list[Correction]:
    """Read corrections and check them.

    Args:
        path: an export of Label Studio, JSON or JSON-MIN, or of FiftyOne; or a folder of such files (``*.json``), as
            `sister-keras app` keeps them.
        schema: attributes and classes of the dataset.

    Returns:
        One correction for each photo and attribute.

    Raises:
        InputError: for an unknown attribute or class, two corrections that contradict each other, or none at all;
            naming file and item.
    """
    files = sorted(file for file in path.glob("*.json") if not file.name.startswith(".")) if path.is_dir() else [path]
    found: dict[tuple[str, str], Correction] = {}
    for file in files:
        for correction in _read(file, schema):
            _check(correction, schema)
            other = found.setdefault((correction.sha256, correction.attribute), correction)
            if other.class_name != correction.class_name:
                raise InputError(
                    f"{correction.place}: {correction.attribute} is {quoted(correction.class_name)} here and"
                    f" {quoted(other.class_name)} in {other.place}; keep one."
                )
    if not found:
        raise InputError(f"{path}: no corrections; export the reviewed project, with its annotations.")
    return list(found.values())


def _read(file: Path, schema: Schema) -> Iterator[Correction]:
    content = read_json(file)
    if isinstance(content, dict) and "samples" in content:
        return read_fiftyone(content, str(file))
    if not isinstance(content, list):
        raise InputError(f"{file}: not an export of Label Studio (JSON or JSON-MIN) or FiftyOne (JSON).")
    hidden = [name for name in schema.names if name in JSON_MIN_KEYS]
    if hidden and is_json_min(content):
        raise InputError(f"{file}: JSON-MIN has no place for the attribute '{hidden[0]}'; export JSON instead.")
    return read_label_studio(content, str(file))


def _check(correction: Correction, schema: Schema) -> None:
    if correction.attribute not in schema.names:
        known = shortened(", ".join(schema.names))
        raise InputError(f"{correction.place}: no attribute {quoted(correction.attribute)}; there are {known}.")
    classes = schema.attribute(correction.attribute).classes
    if correction.class_name not in classes:
        raise InputError(
            f"{correction.place}: no class {quoted(correction.class_name)} of {correction.attribute}; there are"
            f" {shortened(', '.join(classes))}."
        )


def _corrected(dataset: Dataset, corrections: list[Correction], name: str, on_photo: Callable[[], None]) -> np.ndarray:
    """The labels of the dataset with the corrections: int32 array, shape (photos, attributes)."""
    rows: dict[str, list[int]] = {}
    for row, photo in enumerate(dataset.photos):
        if key := content_hash_or_none(photo):  # a photo that cannot be read was never shown to anybody
            rows.setdefault(key, []).append(row)
        on_photo()
    labels = dataset.labels.copy()
    unknown = [correction for correction in corrections if correction.sha256 not in rows]
    if unknown:
        more = f" ({counted(len({c.sha256 for c in unknown}) - 1, 'more photo')} likewise)" if len(unknown) > 1 else ""
        raise InputError(f"{unknown[0].place}: no photo of {name} has its content, SHA-256 {unknown[0].sha256}.{more}")
    for correction in corrections:
        column = dataset.schema.names.index(correction.attribute)
        class_index = dataset.schema.attributes[column].classes.index(correction.class_name)
        labels[rows[correction.sha256], column] = class_index
    return labels
