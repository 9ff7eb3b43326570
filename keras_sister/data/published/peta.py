"""PETA, 19,000 pedestrians (Deng et al., "Pedestrian Attribute Recognition At Far Distance", ACM MM 2014).

    PETA.mat            peta: data, attribute, selected_attribute, partion_attribute (sic)
    images/00001.png …

Imported are the 35 selected attributes, with the first of the five random splits.
"""

from pathlib import Path

import numpy as np

from keras_sister.data.published.dataset import PublishedDataset
from keras_sister.data.published.matlab import binary, load_mat, texts
from keras_sister.errors import InputError, reason_of
from keras_sister.storage.reader_process import read_apart

_ID_COLUMNS = 4


def read_peta(folder: Path) -> PublishedDataset:
    """Read PETA. Photos that the split does not use are left out.

    Raises:
        InputError: if the annotation or the photos are missing, or have another structure.
    """
    found = read_apart(read_annotation, folder / "PETA.mat")
    photos = [f"{row + 1:05d}.png" for row in found["rows"].tolist()]
    return PublishedDataset(
        "PETA", folder / "images", photos, found["split"].tolist(), found["attributes"].tolist(), found["labels"]
    )


def read_annotation(file: Path) -> dict[str, np.ndarray]:
    """Read ``PETA.mat``; for `keras_sister.storage.reader_process.read_apart`."""
    content = load_mat(file)
    try:
        peta = content["peta"]
        data, names = np.atleast_2d(peta.data), texts(peta.attribute)
        selected = np.atleast_1d(peta.selected_attribute).astype(int).ravel() - 1
        partition = np.atleast_1d(peta.partion_attribute)[0]
        rows = {
            part: np.atleast_1d(getattr(partition, part)).astype(int).ravel() - 1 for part in ("train", "val", "test")
        }
        labels = binary(data[:, _ID_COLUMNS + selected], (len(data), len(selected)), f"{file}, data")
        attributes = [names[i] for i in selected]
    except (KeyError, AttributeError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"{file}: not the annotation of PETA: {reason_of(error)}.") from error
    split = {int(row): part for part, numbers in rows.items() for row in numbers}
    if sum(map(len, rows.values())) != len(split) or not set(split) <= set(range(len(data))):
        raise InputError(f"{file}: the first split has a photo twice, or one that does not exist.")
    used = sorted(split)
    return {
        "rows": np.array(used),
        "split": np.array([split[row] for row in used]),
        "attributes": np.array(attributes),
        "labels": labels[used],
    }
