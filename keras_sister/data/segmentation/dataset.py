"""A segmentation dataset: photos and the class of every pixel."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.errors import InputError

VOID = 255
"""The label of pixels without annotation; training and scores ignore them."""


@dataclass(frozen=True, kw_only=True)
class SegmentationDataset:
    """Photos and their label maps.

    Attributes:
        photos: JPEG, PNG or WebP files.
        held_out: rows of the photos used for scores and never for training.
        classes: names of the pixel classes, background first.
        person: indices of the classes that count as person.
        labels: returns the label map of a row: uint8 array, shape (height, width) of any size, class indices or
            `VOID`; raises `InputError`, naming the file, if it cannot be read or has not the upright photo's shape.
    """

    photos: tuple[Path, ...]
    held_out: tuple[int, ...]
    classes: tuple[str, ...]
    person: tuple[int, ...]
    labels: Callable[[int], np.ndarray]

    @property
    def training_rows(self) -> tuple[int, ...]:
        """Rows of the photos that are not held out."""
        held_out = set(self.held_out)
        return tuple(row for row in range(len(self.photos)) if row not in held_out)


def check_label_map(labels: np.ndarray, classes: int, place: str) -> np.ndarray:
    """Check a label map.

    Args:
        labels: integer array, shape (height, width).
        classes: number of classes.
        place: the file, and possibly photo, that an error names.

    Raises:
        InputError: for another shape, or a value that is not a class.
    """
    if labels.ndim != 2 or not labels.size:
        raise InputError(f"{place}: expected one class per pixel, (height, width). Received: shape {labels.shape}")
    wrong = labels[(labels < 0) | (labels >= classes) & (labels != VOID)]
    if wrong.size:
        raise InputError(f"{place}: {wrong[0]} is not a class; expected 0 to {classes - 1}, or {VOID} for void.")
    return labels.astype(np.uint8)


def resize_label_map(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a label map to (height, width) by nearest neighbour, because classes cannot be interpolated."""
    if labels.shape == (height, width):
        return labels
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip((height, width), labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]
