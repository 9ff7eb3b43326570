"""Verify an export: it must predict what the Keras model predicts for the same photos.

The views for the Keras model are made here step by step, not by the preprocessor whose code is inside the export.
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

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.photo_files import read_photo
from keras_sister.schema import Schema
from keras_sister.segmentation.compositing import composite
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmenter import Segmenter
from keras_sister.serving.predictions import PERSON_SHARE, SCHEMA_HASH

_KERAS_FREE_PROCESS = Path(__file__).with_name("keras_free_process.py")
_FROM_PHOTOS = ("serving_default", "images")


@dataclass(frozen=True)
class Verification:
    """An export compared with its model.

    Attributes:
        largest_difference: largest absolute difference of any probability of any attribute by any signature; with a
            segmenter, also of the person share and of the person probability of any pixel.
        agreement: for each attribute the share of photos with the same class by every signature.
    """

    largest_difference: float
    agreement: dict[str, float]


def verify_export(
    folder: Path,
    model: keras.Model,
    schema: Schema,
    photos: Sequence[Path],
    *,
    preprocessor: Preprocessor,
    folded: Segmenter | None,
) -> Verification:
    """Load an export in a new process without Keras and compare it with the model that it was made from.

    Args:
        folder: the SavedModel.
        model, schema, preprocessor: what it was made from.
        folded: the segmenter inside the export. It is compared with the preprocessor's by the person probability of
            each pixel. The model receives the person that `folded` found: a pixel at one half may fall to either side
            by its last bit, which says nothing about the export.
        photos: JPEG or PNG files.

    Raises:
        InputError: if a photo cannot be decoded.
        RuntimeError: if the export does not load or fails.
    """
    pixels = [_decode(photo) for photo in photos]
    views, masks = _views(model, pixels, folded, preprocessor.background, preprocessor.edges)
    found = _run_without_keras(folder, views, photos)
    with tf.device("CPU:0"):  # as in the other process; a GPU rounds convolutions to TF32
        logits = keras.ops.convert_to_numpy(model(views, training=False))
        size = model.inputs[0].shape[1]
        probable = _person_probabilities(preprocessor.segmenter, size, pixels) if preprocessor.segmenter else []
    differences = [np.abs(found[f"segment/mask/{row}"] - mask).max() for row, mask in enumerate(probable)]
    agreement = {}
    with np.errstate(invalid="ignore"):  # NaN is detected by the caller
        for name, expected in schema.probabilities(logits).items():
            outputs = [found[f"{signature}/{name}"] for signature in (*_FROM_PHOTOS, "views")]
            differences += [np.abs(output - expected).max() for output in outputs]
            same = [_classes(output) == _classes(expected) for output in outputs]
            agreement[name] = float(np.all(same, axis=0).mean())
    if masks is not None:
        share = (masks >= 128).mean(axis=(1, 2, 3))
        differences += [np.abs(found[f"{signature}/{PERSON_SHARE}"] - share).max() for signature in _FROM_PHOTOS]
    if set(found[f"serving_default/{SCHEMA_HASH}"]) != {schema.hash.encode()}:
        raise RuntimeError(f"{folder}: the export has another {SCHEMA_HASH} than its schema.")
    return Verification(float(np.max(differences)), agreement)  # np.max, unlike max, propagates NaN


def _classes(probabilities: np.ndarray) -> np.ndarray:
    """Predicted class of each photo, from shape (photos,) if binary, else (photos, classes)."""
    return probabilities >= 0.5 if probabilities.ndim == 1 else probabilities.argmax(axis=1)


def _decode(photo: Path) -> tf.Tensor:
    try:
        return images.decode(tf.constant(read_photo(photo)))
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{photo}: broken or truncated image.") from error


def _views(
    model: keras.Model, pixels: Sequence[tf.Tensor], segmenter: Segmenter | None, background: str, edges: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The model's inputs, uint8 (photos, size, size, channels), and the masks, uint8 (photos, size, size, 1)."""
    size = model.inputs[0].shape[1]
    made = {"photo": np.stack([images.resize(image, size).numpy() for image in pixels])}
    masks = None
    if segmenter:
        segment = tf.function(segmenter.__call__, autograph=False)
        # One by one, as in the other process: how a convolution sums, and so a pixel at one half, depends on the
        # batch size.
        probabilities = [segment(images.resize(image, segmenter.size or size)[None]) for image in pixels]
        masks = np.concatenate([images.to_masks(probability, size, size).numpy() for probability in probabilities])
        made["mask"] = masks
        made["segmented"] = composite(tf.constant(made["photo"]), tf.constant(masks), background, edges).numpy()
    return {tensor.name: made[tensor.name] for tensor in model.inputs}, masks


def _person_probabilities(segmenter: Segmenter, size: int, pixels: Sequence[tf.Tensor]) -> list[np.ndarray]:
    """Person probability of the pixels that the other process passes to ``segment``: float32 (1, height, width, 1)."""
    segment = tf.function(segmenter.__call__, autograph=False)
    masks = []
    for image in pixels:
        step = 1 + max(image.shape) // 512
        image = image[tf.newaxis, ::step, ::step]
        probability = segment(images.resize(image, segmenter.size or size))
        masks.append(tf.image.resize(probability, image.shape[1:3], antialias=True).numpy())
    return masks


def _run_without_keras(folder: Path, views: dict[str, np.ndarray], photos: Sequence[Path]) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = Path(scratch) / "views.npz", Path(scratch) / "outputs.npz"
        np.savez(inputs, **views)  # type: ignore[arg-type]  # the stubs take any name for `allow_pickle`
        # -P keeps the folder of the script, which is inside this package, off the module path.
        command = [sys.executable, "-P", *map(str, (_KERAS_FREE_PROCESS, folder, inputs, outputs, *photos))]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}  # this process may hold all GPU memory
        child = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603 - our own script
        if child.returncode:
            raise RuntimeError(f"{folder}: the export does not work without Keras: {child.stderr.strip()[-2000:]}")
        with np.load(outputs, allow_pickle=False) as found:
            return dict(found)
