"""A dataset: photos, labels, and the schema of the labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Photos and labels, row by row.

    Attributes:
        schema: attributes and classes, in the order of the columns of `labels`.
        photos: paths of the JPEG or PNG files.
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

    def __len__(self) -> int:
        return len(self.photos)
