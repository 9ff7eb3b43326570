"""A dataset: photos, labels, and the schema of the labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Photos and labels, row by row.

    Attributes:
        schema: attributes and classes, in the order of the columns of `labels`.
        photos: paths of the JPEG, PNG or WebP files.
        labels: int32 array, shape (len(photos), len(schema)): a class index, or −1 = unknown. Given as any array of
            numbers, with NaN or any negative number for unknown; ``(len(photos),)`` as well for one attribute.
        groups: array of text, shape (len(photos),): photos of one group, such as one product, are never split between
            training and test; None if every photo stands alone.
        weights: float64 array, shape (len(photos),): each photo's weight in the loss, a finite number of at least 0;
            None for equal weights.
        split: array of ``train``, ``val`` and ``test``, shape (len(photos),): an official split; None without one.
        notes: what was decided when the dataset was read, one line each for the user.

    Raises:
        InputError: if `labels`, `groups`, `weights` or `split` have another shape; if a label is not a class index,
            naming photo and attribute; if a weight is negative or not finite.
    """

    schema: Schema
    photos: tuple[Path, ...]
    labels: np.ndarray
    groups: np.ndarray | None = None
    weights: np.ndarray | None = None
    split: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = self.schema.check_labels(self.labels, rows=[Path(photo).name for photo in self.photos])
        expected = (len(self.photos), len(self.schema))
        if labels.shape != expected:
            raise InputError(f"Expected labels of shape {expected}. Received: {labels.shape}")
        object.__setattr__(self, "labels", labels)
        for name in ("groups", "weights", "split"):
            column = getattr(self, name)
            if column is not None and column.shape != expected[:1]:
                raise InputError(f"Expected {name} of shape {expected[:1]}. Received: shape={column.shape}")
        if self.weights is not None and not (np.isfinite(self.weights) & (self.weights >= 0)).all():
            row = int(np.argmin(np.isfinite(self.weights) & (self.weights >= 0)))
            raise InputError(
                f"{Path(self.photos[row]).name}: its weight is {self.weights[row]:g}; expected a finite number of at"
                " least 0."
            )

    def without(self, rows: Sequence[int]) -> "Dataset":
        """The dataset without some of its photos."""
        kept = np.setdiff1d(np.arange(len(self)), np.asarray(rows, np.int64))
        return replace(
            self,
            photos=tuple(self.photos[row] for row in kept),
            labels=self.labels[kept],
            groups=None if self.groups is None else self.groups[kept],
            weights=None if self.weights is None else self.weights[kept],
            split=None if self.split is None else self.split[kept],
        )

    def __len__(self) -> int:
        return len(self.photos)
