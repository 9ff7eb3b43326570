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

from keras_sister import images as pixels
from keras_sister.data.views import ViewStore
from keras_sister.schema import Schema
from keras_sister.segmentation.compositing import model_views
from keras_sister.segmenter import Segmenter
from keras_sister.serving.signatures import PERSON_SHARE

_CLEAN_PROCESS = Path(__file__).with_name("clean_process.py")
_FROM_PHOTOS = ("serving_default", "images")


@dataclass(frozen=True)
class Comparison:
    """How an export compares with its model.

    Attributes:
        largest_difference: absolute, of any probability of any attribute by any signature; with a segmenter, also of
            the share of person and of how probably any pixel is person.
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
    folded: Segmenter | None = None,
    background: str = "white",
    edges: str = "hard",
) -> Comparison:
    """Load an export in a fresh process without Keras and compare it with the model it was made from.

    Args:
        folder: of the SavedModel.
        model, schema, segmenter, background, edges: what it was made from (see `keras_sister.serving.signatures`).
        folded: the segmenter as it is in there. The two are compared by how probably each pixel is person. The model
            then sees the person that `folded` cut out: a pixel that is one half but for its last bit may fall to
            either side, which tells nothing of the export.
        photos: JPEG or PNG files to ask both about.

    Raises:
        InputError: if a photo cannot be decoded.
        RuntimeError: if the export does not load, or does not answer.
    """
    with tempfile.TemporaryDirectory() as scratch:
        views, masks = training_views(model, photos, folded, background, edges, cache=Path(scratch))
        answers = _answers(folder, views, photos, Path(scratch))
    with tf.device("CPU:0"):  # where the other process computes; a GPU rounds convolutions to TF32
        logits = keras.ops.convert_to_numpy(model(views, training=False))
        probable = _masks(segmenter, model.inputs[0].shape[1], photos) if segmenter else []
    differences = [np.abs(answers[f"segment/mask/{row}"] - mask).max() for row, mask in enumerate(probable)]
    agreement = {}
    with np.errstate(invalid="ignore"):  # a NaN is found further down
        expected = schema.probabilities(logits)
        for attribute in schema:
            wanted = expected[attribute.name]
            found = [answers[f"{signature}/{attribute.name}"] for signature in (*_FROM_PHOTOS, "views")]
            differences += [np.abs(answer - wanted).max() for answer in found]
            same = [_classes(answer) == _classes(wanted) for answer in found]
            agreement[attribute.name] = float(np.all(same, axis=0).mean())
    if masks is not None:
        share = (masks >= 128).mean(axis=(1, 2, 3))
        differences += [np.abs(answers[f"{signature}/{PERSON_SHARE}"] - share).max() for signature in _FROM_PHOTOS]
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
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """What the model would have looked at in training, for each of its inputs: uint8 (photos, size, size, channels).

    Also the masks behind it, uint8 (photos, size, size, 1), if there is a segmenter.
    """
    store = ViewStore(model.inputs[0].shape[1], segmenter.fingerprint if segmenter else None, cache=cache)
    # One by one, as the other process does: a pixel at the edge of the person may fall to the other side by the last
    # bit of a sum, and how a convolution sums depends on the size of the batch.
    pairs = store.open([key for photo in photos for key in store.fill([photo], segmenter)])
    rows = range(len(photos))
    masks = tf.constant(pairs.masks(rows)) if segmenter else None
    names = [tensor.name for tensor in model.inputs]
    views = model_views(tf.constant(pairs.photos(rows)), masks, names, background, edges)
    return {view: images.numpy() for view, images in views.items()}, None if masks is None else masks.numpy()


def _masks(segmenter: Segmenter, size: int, photos: Sequence[Path]) -> list[np.ndarray]:
    """How probably the pixels that the other process shows to ``segment`` are person: float32 (1, height, width, 1)."""
    find = tf.function(segmenter.__call__, autograph=False)
    masks = []
    for photo in photos:
        image = pixels.decode(tf.constant(pixels.read(photo)))
        step = 1 + max(image.shape) // 512
        image = image[tf.newaxis, ::step, ::step]
        probability = find(pixels.resize(image, segmenter.size or size))
        masks.append(tf.image.resize(probability, image.shape[1:3], antialias=True).numpy())
    return masks


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
