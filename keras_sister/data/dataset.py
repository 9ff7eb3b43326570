"""A dataset: photos, labels, and the schema of the labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Photos and labels, row by row.

    Attributes:
        schema: attributes and classes, in the order of the columns of `labels`.
        photos: paths of the JPEG or PNG files.
        labels: int32 array, shape (len(photos), len(schema)): a class index, or −1 = unknown. Given as any array of
            numbers, with NaN or any negative number for unknown; ``(len(photos),)`` as well for one attribute.

    Raises:
        InputError: if `labels` has another shape, or a label is not a class index, naming photo and attribute.
    """

    schema: Schema
    photos: tuple[Path, ...]
    labels: np.ndarray

    def __post_init__(self) -> None:
        labels = self.schema.check_labels(self.labels, rows=[Path(photo).name for photo in self.photos])
        if len(labels) != len(self.photos):
            raise InputError(
                f"Expected labels of shape {(len(self.photos), len(self.schema))}. Received: {labels.shape}"
            )
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.photos)
