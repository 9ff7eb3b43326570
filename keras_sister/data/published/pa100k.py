"""PA-100K, 100,000 pedestrians with 26 attributes (Liu et al., "HydraPlus-Net", ICCV 2017, arXiv:1709.09930).

annotation.mat      attributes, {train,val,test}_images_name, {train,val,test}_label
data/000001.jpg …   or in images/, release_data/ or release_data/release_data/
"""

from pathlib import Path

import numpy as np

from keras_sister.data.published.dataset import PublishedDataset
from keras_sister.data.published.matlab import binary, load_mat, texts
from keras_sister.errors import InputError
from keras_sister.storage.reader_process import read_apart

_FOLDERS = ("data", "images", "release_data/release_data", "release_data", ".")


def read_pa100k(folder: Path) -> PublishedDataset:
    """Read PA-100K.

    Raises:
        InputError: if the annotation or the photos are missing, or have another structure.
    """
    found = read_apart(read_annotation, folder / "annotation.mat")
    photos = found["photos"].tolist()
    where = next((folder / name for name in _FOLDERS if (folder / name / photos[0]).is_file()), folder / "data")
    return PublishedDataset(
        "PA-100K", where, photos, found["split"].tolist(), found["attributes"].tolist(), found["labels"]
    )


def read_annotation(file: Path) -> dict[str, np.ndarray]:
    """Read ``annotation.mat``; for `keras_sister.storage.reader_process.read_apart`."""
    content = load_mat(file)
    photos: list[str] = []
    split: list[str] = []
    labels = []
    try:
        attributes = texts(content["attributes"])
        for part in ("train", "val", "test"):
            names = texts(content[f"{part}_images_name"])
            values = np.atleast_2d(content[f"{part}_label"])
            labels.append(binary(values, (len(names), len(attributes)), f"{file}, {part}_label"))
            photos += names
            split += [part] * len(names)
    except KeyError as error:
        raise InputError(f"{file}: no variable {error.args[0]}; not the annotation of PA-100K.") from error
    return {
        "photos": np.array(photos),
        "split": np.array(split),
        "attributes": np.array(attributes),
        "labels": np.concatenate(labels),
    }
