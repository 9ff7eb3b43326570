"""What every reader of a dataset returns: photos, their labels, and the schema the labels follow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Photos and labels, row by row.

    Attributes:
        schema: what the columns of `labels` mean.
        photos: paths of the JPEG or PNG files.
        labels: int8 array, shape (len(photos), len(schema)): an index into the attribute's classes, or −1 = unknown.

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
