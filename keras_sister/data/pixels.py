"""Photos of which the class of every pixel is known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.errors import InputError

VOID = 255
"""The class of pixels that nobody wanted to classify: neither learnt nor counted."""


@dataclass(frozen=True, kw_only=True)
class PixelDataset:
    """Photos, and how to get at the classes of their pixels.

    Attributes:
        photos: JPEG or PNG files.
        held_out: the rows of those that scores come from; nothing is learnt from them.
        classes: their names, the background first.
        person: the indices of those that count as person.
        labels: for a row the class of every pixel: uint8 array, shape (height, width) of any size, below
            ``len(classes)`` or `VOID`; raises `InputError`, naming the file, where that cannot be had.
    """

    photos: tuple[Path, ...]
    held_out: tuple[int, ...]
    classes: tuple[str, ...]
    person: tuple[int, ...]
    labels: Callable[[int], np.ndarray]

    @property
    def to_learn_from(self) -> tuple[int, ...]:
        """The rows of all other photos."""
        held_out = set(self.held_out)
        return tuple(row for row in range(len(self.photos)) if row not in held_out)


def checked(labels: np.ndarray, classes: int, place: str) -> np.ndarray:
    """Labels as a `PixelDataset` gives them.

    Args:
        labels: integer array, shape (height, width).
        classes: how many there are.
        place: file, and perhaps photo, that an error names.

    Raises:
        InputError: for another shape, or a class that is none.
    """
    if labels.ndim != 2 or not labels.size:
        raise InputError(f"{place}: expected one class a pixel, (height, width). Received: shape {labels.shape}")
    wrong = labels[(labels < 0) | (labels >= classes) & (labels != VOID)]
    if wrong.size:
        raise InputError(f"{place}: {wrong[0]} is no class; there are {classes}, from 0 on, and {VOID} for none.")
    return labels.astype(np.uint8)


def resized(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Labels at another size: for each pixel the class in the middle of where it was, since classes cannot be mixed."""
    if labels.shape == (height, width):
        return labels
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip((height, width), labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]
