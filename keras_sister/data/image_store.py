"""Stored images, read by row: what batches are made from."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Images = dict[str, Any]
"""A batch of images by name, uint8 tensors (batch, size, size, channels), such as ``photo`` and ``mask``."""


class ImageStore(Protocol):
    """Images of one size, read by row.

    Attributes:
        size: height and width, in pixels.
        channels: the names of the images of a row, each with its number of channels.
    """

    @property
    def size(self) -> int: ...

    @property
    def channels(self) -> Mapping[str, int]: ...

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Read images: uint8 array, shape (len(rows), size, size, channels)."""
