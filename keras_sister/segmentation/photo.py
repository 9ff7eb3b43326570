"""One photo, segmented at its own size."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.segmentation.network_folder import NetworkSegmenter
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
    pixels = _decoded(path)
    segmenter.check([path.stem])
    probability = segmenter(_as_wanted(pixels, segmenter), tf.constant([path.stem]))
    masks = images.to_masks(probability, *pixels.shape[:2])
    return SegmentedPhoto(path, pixels.numpy(), masks.numpy()[0])


def classify_photo(segmenter: NetworkSegmenter, path: Path) -> np.ndarray:
    """Find the most probable class of every pixel of a photo.

    Returns:
        uint8 array, shape (height, width), of the photo.

    Raises:
        InputError: if the file cannot be read.
    """
    pixels = _decoded(path)
    probabilities = segmenter.probabilities(_as_wanted(pixels, segmenter))
    probabilities = tf.image.resize(probabilities, pixels.shape[:2], antialias=True)
    return tf.argmax(probabilities[0], axis=-1).numpy().astype(np.uint8)


def _decoded(path: Path) -> tf.Tensor:
    contents = images.read(path)
    try:
        return images.decode(tf.constant(contents))
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{path}: broken or truncated image.") from error


def _as_wanted(pixels: tf.Tensor, segmenter: Segmenter) -> tf.Tensor:
    """A batch of one photo at the size that the segmenter wants."""
    return (images.resize(pixels, segmenter.size) if segmenter.size else pixels)[None]
