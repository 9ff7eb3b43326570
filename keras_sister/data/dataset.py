"""A dataset: photos, labels, and the schema of the labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_sister.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Photos and labels, row by row.

    Attributes:
        schema: attributes and classes, in the order of the columns of `labels`.
        photos: paths of the JPEG, PNG or WebP files.
        labels: int8 array, shape (len(photos), len(schema)): a class index, or −1 = unknown.

    Raises:
        ValueError: if `labels` has another shape.
    """

    schema: Schema
    photos: tuple[Path, ...]
    labels: np.ndarray

    def __post_init__(self) -> None:
        expected = (len(self.photos), len(self.schema))
        if self.labels.shape != expected:
            raise ValueError(f"Expected labels of shape {expected}. Received: shape={self.labels.shape}")

    def without(self, rows: Sequence[int]) -> "Dataset":
        """The dataset without some of its photos."""
        kept = [row for row in range(len(self)) if row not in set(rows)]
        return replace(self, photos=tuple(self.photos[row] for row in kept), labels=self.labels[kept])

    def __len__(self) -> int:
        return len(self.photos)
