"""The proof of an export: asked about the same photos, it says what the Keras model says.

The Keras model gets its views from a view store, as in training, and so by none of the export's own code.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_sister.data.views import ViewStore
from keras_sister.schema import Schema
from keras_sister.segmentation.compositing import model_views
from keras_sister.segmenter import Segmenter

_CLEAN_PROCESS = Path(__file__).with_name("clean_process.py")


@dataclass(frozen=True)
class Comparison:
    """How an export compares with its model.

    Attributes:
        largest_difference: absolute, of any probability of any attribute, by any signature.
        agreement: for each attribute the share of the photos that get the same class, by every signature.
    """

    largest_difference: float
    agreement: dict[str, float]


def compare(
    folder: Path,
    model: keras.Model,
    schema: Schema,
    photos: Sequence[Path],
    *,
    segmenter: Segmenter | None = None,
    background: str = "white",
    edges: str = "hard",
) -> Comparison:
    """Load an export in a fresh process without Keras and compare it with the model it was made from.

    Args:
        folder: of the SavedModel.
        model, schema, segmenter, background, edges: what it was made from (see `keras_sister.serving.signatures`).
        photos: JPEG or PNG files to ask both about.

    Raises:
        InputError: if a photo cannot be decoded.
        RuntimeError: if the export does not load, or does not answer.
    """
    with tempfile.TemporaryDirectory() as scratch:
        views = training_views(model, photos, segmenter, background, edges, cache=Path(scratch))
        answers = _answers(folder, views, photos, Path(scratch))
    with tf.device("CPU:0"):  # where the other process computes; a GPU rounds convolutions to TF32
        logits = keras.ops.convert_to_numpy(model(views, training=False))
    differences, agreement = [], {}
    with np.errstate(invalid="ignore"):  # a NaN is found further down
        expected = schema.probabilities(logits)
        for attribute in schema:
            wanted = expected[attribute.name]
            found = [answers[f"{signature}/{attribute.name}"] for signature in ("serving_default", "images", "views")]
            differences += [np.abs(answer - wanted).max() for answer in found]
            same = [_classes(answer) == _classes(wanted) for answer in found]
            agreement[attribute.name] = float(np.all(same, axis=0).mean())
    return Comparison(float(np.max(differences)), agreement)  # np.max, unlike max, lets a NaN through


def _classes(probabilities: np.ndarray) -> np.ndarray:
    """The class of each photo: of a binary attribute's (photos,), of others' (photos, classes)."""
    return probabilities >= 0.5 if probabilities.ndim == 1 else probabilities.argmax(axis=1)


def training_views(
    model: keras.Model,
    photos: Sequence[Path],
    segmenter: Segmenter | None,
    background: str,
    edges: str,
    *,
    cache: Path,
) -> dict[str, np.ndarray]:
    """What the model would have looked at in training, for each of its inputs: uint8 (photos, size, size, channels)."""
    store = ViewStore(model.inputs[0].shape[1], segmenter.fingerprint if segmenter else None, cache=cache)
    # One by one, as the other process does: a pixel at the edge of the person may fall to the other side by the last
    # bit of a sum, and how a convolution sums depends on the size of the batch.
    pairs = store.open([key for photo in photos for key in store.fill([photo], segmenter)])
    rows = range(len(photos))
    masks = tf.constant(pairs.masks(rows)) if segmenter else None
    names = [tensor.name for tensor in model.inputs]
    views = model_views(tf.constant(pairs.photos(rows)), masks, names, background, edges)
    return {view: images.numpy() for view, images in views.items()}


def _answers(
    folder: Path, views: dict[str, np.ndarray], photos: Sequence[Path], scratch: Path
) -> dict[str, np.ndarray]:
    asked, answered = scratch / "views.npz", scratch / "answers.npz"
    np.savez(asked, **views)  # type: ignore[arg-type]  # the stubs take any name for `allow_pickle`
    # -P: the folder of the script, which is within this package, stays off the module path.
    command = [sys.executable, "-P", *map(str, (_CLEAN_PROCESS, folder, asked, answered, *photos))]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}  # this process may hold all memory of the GPU
    child = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603 - our own script
    if child.returncode:
        raise RuntimeError(f"{folder}: the export does not work without Keras: {child.stderr.strip()[-2000:]}")
    with np.load(answered, allow_pickle=False) as answers:
        return dict(answers)
