"""The Colorful Fashion Parsing Data on disk (Liu et al., "Fashion Parsing With Weak Color-Category Labels", 2014).

    fashon_parsing_data.mat     MATLAB 7.3 (HDF5); this is how the name is spelled
    image/…jpg                  2,682 photos of 400 × 600 pixels, in this or any other folder

``fashion_dataset`` has one cell per photo: ``img_name``; ``segmentation``, the super-pixel of every pixel, from 0; and
``category_label``, the class of every super-pixel. The paper trains its DeepLab on this dataset.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from keras_sister.data.segmentation.classes import CFPD
from keras_sister.data.segmentation.dataset import SegmentationDataset, check_label_map
from keras_sister.errors import InputError, reason_of
from keras_sister.mask_files import check_mask_size
from keras_sister.storage.reader_process import read_apart

FILE = "fashon_parsing_data.mat"


def is_cfpd(folder: Path) -> bool:
    """Whether a folder contains CFPD."""
    return (folder / FILE).is_file()


def load_cfpd(folder: Path) -> SegmentationDataset:
    """Find the photos of CFPD and their super-pixels; every class except ``bk`` counts as person.

    The dataset has no official split: every fifth photo, by name, is held out.

    Args:
        folder: contains the MATLAB file and, at any depth, the photos.

    Raises:
        InputError: if a photo is missing, or the file has another structure.
    """
    file = folder / FILE
    cells = _cells(file)
    files = {photo.name: photo for photo in sorted(folder.rglob("*.jpg"))}
    names = sorted(cells)
    missing = [name for name in names if name not in files]
    if missing:
        raise InputError(f"{folder}: {len(missing)} photos of {FILE} are missing, such as {missing[0]}.")
    return SegmentationDataset(
        photos=tuple(files[name] for name in names),
        held_out=tuple(range(0, len(names), 5)),
        classes=CFPD,
        person=tuple(range(1, len(CFPD))),
        labels=lambda row: _labels(file, files[names[row]], cells[names[row]]),
    )


def _cells(file: Path) -> dict[str, int]:
    """Position of every photo in the cell array, by file name."""
    return {str(name): place for place, name in enumerate(read_apart(read_names, file)["names"])}


def _labels(file: Path, photo: Path, cell: int) -> np.ndarray:
    place = f"{file}, {photo.name}"
    labels = check_label_map(read_apart(read_cell, file, photo.name, cell)["labels"], len(CFPD), place)
    check_mask_size(place, (labels.shape[1], labels.shape[0]), photo)
    return labels


def read_names(file: Path) -> dict[str, np.ndarray]:
    """Read the photos' names in the order of the cells; for `keras_sister.storage.reader_process.read_apart`."""
    with _opened(file) as content:
        return {"names": np.asarray([_text(content[cell]["img_name"]) for cell in _references(content)], np.str_)}


def read_cell(file: Path, name: str, place: int) -> dict[str, np.ndarray]:
    """Read one photo's class map, int64 (height, width); for `keras_sister.storage.reader_process.read_apart`."""
    with _opened(file) as content:
        cell = content[_references(content)[place]]
        # MATLAB stores columns first and HDF5 rows first: the array arrives as (width, height).
        superpixels = np.asarray(cell["segmentation"]).T.astype(np.int64)
        classes = np.asarray(cell["category_label"]).ravel().astype(np.int64) - 1
        if superpixels.min() < 0 or superpixels.max() >= len(classes):
            raise ValueError(f"{name}: super-pixel {superpixels.max()}, but only {len(classes)} classes")
        return {"labels": classes[superpixels]}


def _references(content: h5py.File) -> np.ndarray:
    return np.asarray(content["fashion_dataset"]).ravel()


def _text(codes: h5py.Dataset) -> str:
    return "".join(chr(code) for code in np.asarray(codes).ravel())


@contextmanager
def _opened(file: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(file) as content:
            yield content
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not the file of CFPD: {reason_of(error)}") from error
