"""The Colorful Fashion Parsing Data on disk (Liu et al., "Fashion Parsing With Weak Color-Category Labels", 2014).

    fashon_parsing_data.mat     MATLAB 7.3 (HDF5), spelled so
    image/…jpg                  2,682 photos of 400 × 600 pixels, in this or any other folder

``fashion_dataset`` is a cell for each photo: ``img_name``; ``segmentation``, the super-pixel of every pixel, from 0
on; and ``category_label``, the class of every super-pixel. The paper trains its DeepLab on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from keras_sister.data.pixels import PixelDataset, checked
from keras_sister.errors import InputError
from keras_sister.pixel_classes import CFPD

FILE = "fashon_parsing_data.mat"


def is_cfpd(folder: Path) -> bool:
    """Whether a folder is CFPD's."""
    return (folder / FILE).is_file()


def load(folder: Path) -> PixelDataset:
    """Find the photos of CFPD and their super-pixels; every class but ``bk`` is person or what a person wears.

    The data names no split: every fifth photo, by name, is held out.

    Args:
        folder: that holds the MATLAB file and, at any depth, the photos.

    Raises:
        InputError: if a photo is missing, or the file is not CFPD's.
    """
    file = folder / FILE
    cells = _cells(file)
    files = {photo.name: photo for photo in sorted(folder.rglob("*.jpg"))}
    names = sorted(cells)
    missing = [name for name in names if name not in files]
    if missing:
        raise InputError(f"{folder}: {len(missing)} photos of {FILE} are not here, such as {missing[0]}.")
    return PixelDataset(
        photos=tuple(files[name] for name in names),
        held_out=tuple(range(0, len(names), 5)),
        classes=CFPD,
        person=tuple(range(1, len(CFPD))),
        labels=lambda row: _labels(file, names[row], cells[names[row]]),
    )


def _cells(file: Path) -> dict[str, int]:
    """The place of every photo in the cell array, by its file name."""
    with _opened(file) as content:
        names = [_text(content[cell]["img_name"]) for cell in _references(content)]
    return {name: place for place, name in enumerate(names)}


def _labels(file: Path, name: str, place: int) -> np.ndarray:
    with _opened(file) as content:
        cell = content[_references(content)[place]]
        # MATLAB stores columns, HDF5 rows: what was (height, width) there is (width, height) here.
        superpixels = np.asarray(cell["segmentation"]).T.astype(np.int64)
        classes = np.asarray(cell["category_label"]).ravel().astype(np.int64) - 1
        if superpixels.min() < 0 or superpixels.max() >= len(classes):
            raise ValueError(f"{name}: super-pixel {superpixels.max()}, but classes for {len(classes)} only")
    return checked(classes[superpixels], len(CFPD), f"{file}, {name}")


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
        raise InputError(f"{file}: not the data of CFPD: {error}") from error
