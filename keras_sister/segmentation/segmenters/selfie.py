"""MediaPipe's selfie segmenter: pretrained, 250 kB, made for one person in the foreground.

Bazarevsky, Grishchenko, Raveendran, Zhu, Zhang and Grundmann's model card "MediaPipe Selfie Segmentation" (2021); the
weights have the Apache licence 2.0. The network is rebuilt in Keras from the published ``.tflite`` file, so that it
runs in the graph and inside SavedModels.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.segmentation.importers.tflite import read_tflite
from keras_sister.storage.weight_files import WeightFile, Wheel

SELFIE = WeightFile(
    "selfie_segmentation.tflite",
    sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    licence="MediaPipe Selfie Segmentation, by Google; Apache License 2.0.",
    url="https://storage.googleapis.com/mediapipe-assets/selfie_segmentation.tflite?generation=1683332563830600",
    # The last version whose wheels contain the file; any platform's will do, because nothing in it is run.
    wheel=Wheel(
        ("mediapipe==0.10.21", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"),
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        size=35_622_638,
    ),
)
"""The general model, for images of 256 × 256 pixels."""


class SelfieSegmenter(tf.Module):
    """MediaPipe's selfie segmenter, or a network of the same structure.

    Args:
        weights: the ``.tflite`` file.

    Attributes:
        size: height and width of the images it expects, in pixels.
        fingerprint: SHA-256 of the file.

    Raises:
        InputError: if the file is missing or holds another kind of network.

    Example:
        >>> SelfieSegmenter(find_weights())(images).shape  # images: (8, 256, 256, 3)
        TensorShape([8, 256, 256, 1])
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        if not weights.is_file():
            raise InputError(f"{weights}: no such file; expected MediaPipe's {SELFIE.name}.")
        self.model = read_tflite(weights, name="selfie")
        _, height, width, _ = self.model.input_shape
        if height != width or self.model.output_shape != (None, height, width, 1):
            raise InputError(f"{weights}: not a segmenter of square images; expected MediaPipe's {SELFIE.name}.")
        self.size: int | None = height
        self.fingerprint = f"selfie:{hashlib.sha256(weights.read_bytes()).hexdigest()}"

    def __repr__(self) -> str:
        return f"SelfieSegmenter(size={self.size})"

    def check(self, photos: Sequence[Path]) -> None:
        """Any photo can be segmented."""

    def folded(self) -> "SelfieSegmenter":
        """The published network has no batch normalisation."""
        return self

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        return self.model(tf.cast(images, tf.float32) / 255, training=False)


def find_weights() -> Path:
    """Find MediaPipe's file: in the cache, in an installed ``mediapipe``, at its address, or in its wheel by ``pip``.

    Returns:
        Its path in the cache.

    Raises:
        InputError: if every source fails, with the reason of each.
    """
    return SELFIE.find(otherwise="Download it elsewhere and use --segmenter selfie:FILE.")
