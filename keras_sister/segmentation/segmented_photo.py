"""One photo and its person mask, at the photo's own size."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError, reason_of
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.network import NetworkSegmenter


@dataclass(frozen=True)
class SegmentedPhoto:
    """A photo, its mask, and the person on the preprocessor's background.

    Attributes:
        path: the photo's file.
        pixels: uint8 array, shape (height, width, 3), RGB.
        mask: uint8 array, shape (height, width, 1), 255 = person.
        cutout: uint8 array, shape (height, width, 3), RGB: the person without the background.
    """

    path: Path
    pixels: np.ndarray
    mask: np.ndarray
    cutout: np.ndarray

    @property
    def person(self) -> np.ndarray:
        """Person pixels: bool array, shape (height, width)."""
        return self.mask[..., 0] >= 128

    @property
    def person_share(self) -> float:
        """Share of the pixels that are person, in [0, 1]."""
        return float(self.person.mean())


@dataclass(frozen=True)
class UnreadablePhoto:
    """A photo that cannot be read or segmented.

    Attributes:
        path: the photo's file.
        error: a line that names it and says why.
    """

    path: Path
    error: str


def segment_photo(preprocessor: Preprocessor, path: Path) -> SegmentedPhoto:
    """Segment one photo.

    Args:
        preprocessor: with a segmenter, ``size=None`` and the view ``segmented``.
        path: a JPEG, PNG or WebP; the result is upright.

    Raises:
        InputError: if the file cannot be read, or the segmenter has no mask for it.

    Example:
        >>> photo = segment_photo(Preprocessor("selfie", size=None, views=("segmented",)), Path("me.jpg"))
        >>> photo.person_share
        0.31
    """
    pair = preprocessor.pair_of(path)
    cutout = preprocessor.views(pair)["segmented"]
    return SegmentedPhoto(path, *(np.asarray(images)[0] for images in (pair["photo"], pair["mask"], cutout)))


def try_segment(preprocessor: Preprocessor, path: Path) -> SegmentedPhoto | UnreadablePhoto:
    """Segment one photo; one that cannot be read or segmented is told apart instead of raising an error."""
    try:
        return segment_photo(preprocessor, path)
    except InputError as error:
        return UnreadablePhoto(path, str(error))
    except (tf.errors.OpError, MemoryError) as error:
        return UnreadablePhoto(path, f"{path}: cannot be segmented: {reason_of(error)}")


class PixelClassifier:
    """Predicts the most probable class of every pixel of photos.

    Args:
        segmenter: the network.

    Example:
        >>> PixelClassifier(load_segmenter(Path("fcn")))(Path("me.jpg")).shape
        (640, 480)
    """

    def __init__(self, segmenter: NetworkSegmenter) -> None:
        self._preprocessor = Preprocessor(segmenter, size=None, views=("mask",))
        self._probabilities = tf.function(segmenter.probabilities, autograph=False)

    def __call__(self, path: Path) -> np.ndarray:
        """Classify the pixels of one photo.

        Returns:
            uint8 array, shape (height, width), of the photo's own size.

        Raises:
            InputError: if the file cannot be read.
        """
        resized = self._preprocessor.resized_photo(path)
        probabilities = self._probabilities(resized["to_segment"])
        probabilities = tf.image.resize(probabilities, resized["photo"].shape[1:3], antialias=True)
        return tf.argmax(probabilities[0], axis=-1).numpy().astype(np.uint8)
