"""One photo, segmented at its own size."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.segmenter import Segmenter


@dataclass(frozen=True)
class SegmentedPhoto:
    """A photo and its mask.

    Attributes:
        path: of the photo.
        pixels: uint8 array, shape (height, width, 3), RGB.
        mask: uint8 array, shape (height, width, 1), 255 = surely person.
    """

    path: Path
    pixels: np.ndarray
    mask: np.ndarray

    @property
    def person(self) -> np.ndarray:
        """Which pixels are person: bool array, shape (height, width)."""
        return self.mask[..., 0] >= 128

    @property
    def person_share(self) -> float:
        """The share of the pixels that are person, in [0, 1]."""
        return float(self.person.mean())


def segment_photo(segmenter: Segmenter, path: Path) -> SegmentedPhoto:
    """Find the person in a photo.

    Args:
        segmenter: asked about the photo at the size that it wants; its answer is brought back to the photo's.
        path: a JPEG or PNG.

    Raises:
        InputError: if the file cannot be read, or the segmenter has no mask for it.
    """
    contents = images.read(path)
    try:
        pixels = images.decode(tf.constant(contents))
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{path}: broken or truncated image.") from error
    segmenter.check([path.stem])
    asked = images.resize(pixels, segmenter.size) if segmenter.size else pixels
    probability = segmenter(asked[None], tf.constant([path.stem]))
    masks = images.to_masks(probability, *pixels.shape[:2])
    return SegmentedPhoto(path, pixels.numpy(), masks.numpy()[0])
