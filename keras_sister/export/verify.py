"""Verify an export: it must predict what the Keras model predicts for the same photos.

The views for the Keras model are made here step by step, not by the preprocessor whose code is inside the export.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.evaluation.decisions import Rules
from keras_sister.export.decisions import compare_decisions
from keras_sister.export.keras_free_process import decode_photo
from keras_sister.photo_files import read_photo
from keras_sister.photo_kinds import is_animated_webp, why_not_decoded
from keras_sister.schema import Schema
from keras_sister.segmentation.compositing import composite
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmenter import Segmenter
from keras_sister.serving.predictions import PERSON_SHARE, SCHEMA_HASH

_KERAS_FREE_PROCESS = Path(__file__).with_name("keras_free_process.py")

Turn = Callable[[np.ndarray], np.ndarray]
Segment = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo for the verification.

    Attributes:
        file: JPEG, PNG or WebP.
        pixels: as stored, uint8 array, shape (height, width, 3).
        turn: turns such an array upright.
    """

    file: Path
    pixels: np.ndarray
    turn: Turn


@dataclass(frozen=True)
class Verification:
    """An export compared with its model.

    Attributes:
        largest_difference: largest absolute difference of any probability of any attribute by any signature, and of any
            confidence where the export has thresholds; with a segmenter, also of the person share and of the person
            probability of any pixel.
        agreement: for each attribute the share of photos with the same class by every signature.
    """

    largest_difference: float
    agreement: dict[str, float]


def decode_photos(photos: Sequence[Path]) -> list[DecodedPhoto]:
    """Decode photos, not by the code that is inside the export.

    Raises:
        InputError: if one cannot be decoded.
    """
    return [DecodedPhoto(photo, *_decode(photo)) for photo in photos]


def verify_export(
    folder: Path,
    model: keras.Model,
    schema: Schema,
    photos: Sequence[DecodedPhoto],
    *,
    preprocessor: Preprocessor,
    folded: Segmenter | None,
    rules: Rules | None,
    tolerance: float,
) -> Verification:
    """Load an export in a new process without Keras and compare it with the model that it was made from.

    Args:
        folder: the SavedModel.
        model, schema, preprocessor: what it was made from.
        folded: the segmenter inside the export. It is compared with the preprocessor's by the person probability of
            each pixel. The model receives the person that `folded` found: a pixel at one half may fall to either side
            by its last bit, which says nothing about the export.
        photos: see `decode_photos`.
        rules: how the export decides, None without thresholds; decisions and confidence are computed again in NumPy.
        tolerance: difference of a probability up to which a decision may turn.

    Raises:
        InputError: if the export decides otherwise than by its rules.
        RuntimeError: if the export does not load or fails.
    """
    segment = _traced(folded)
    upright = [photo.turn(photo.pixels) for photo in photos]
    views, masks = _views(model, [(photo.pixels, photo.turn) for photo in photos], segment, preprocessor)
    # The graph turns photos after resizing them; the signature "images" takes them upright, and resizes them then.
    views_of_upright, masks_of_upright = _views(model, [(pixels, _keep) for pixels in upright], segment, preprocessor)
    found = _run_without_keras(folder, views, [photo.file for photo in photos])
    if set(found[f"serving_default/{SCHEMA_HASH}"]) != {schema.hash.encode()}:
        raise RuntimeError(f"{folder}: the export has another {SCHEMA_HASH} than its schema.")
    # On the CPU, as in the other process: a GPU rounds convolutions to TF32. NaN is detected by the caller.
    with tf.device("CPU:0"), np.errstate(invalid="ignore"):
        logits = keras.ops.convert_to_numpy(model(views, training=False))
        logits_of_upright = keras.ops.convert_to_numpy(model(views_of_upright, training=False))
        unfolded = segment if preprocessor.segmenter is folded else _traced(preprocessor.segmenter)
        probable = _person_probabilities(unfolded, _size_to_segment(model, preprocessor), upright) if unfolded else []
    differences = [np.abs(found[f"segment/mask/{row}"] - mask).max() for row, mask in enumerate(probable)]
    for signature, found_masks in {"serving_default": masks, "images": masks_of_upright}.items():
        if found_masks is not None:
            share = (found_masks >= 128).mean(axis=(1, 2, 3))
            differences.append(np.abs(found[f"{signature}/{PERSON_SHARE}"] - share).max())
    by_signature = {"serving_default": logits, "views": logits, "images": logits_of_upright}
    if rules is not None:
        differences += compare_decisions(found, by_signature, schema, rules, tolerance)
    expected = {signature: schema.probabilities(of_photos) for signature, of_photos in by_signature.items()}
    agreement, more = _compare(found, expected)
    return Verification(float(np.max([*differences, *more])), agreement)  # np.max, unlike max, propagates NaN


def _compare(
    found: dict[str, np.ndarray], expected: dict[str, dict[str, np.ndarray]]
) -> tuple[dict[str, float], list[float]]:
    """For each attribute the share of photos with the same class by every signature; all largest differences."""
    agreement, differences = {}, []
    with np.errstate(invalid="ignore"):  # NaN is detected by the caller
        for name in expected["views"]:
            pairs = [
                (found[f"{signature}/{name}"], probabilities[name]) for signature, probabilities in expected.items()
            ]
            differences += [float(np.abs(output - wanted).max()) for output, wanted in pairs]
            same = [_classes(output) == _classes(wanted) for output, wanted in pairs]
            agreement[name] = float(np.all(same, axis=0).mean())
    return agreement, differences


def _classes(probabilities: np.ndarray) -> np.ndarray:
    """Predicted class of each photo, from shape (photos,) if binary, else (photos, classes)."""
    return probabilities >= 0.5 if probabilities.ndim == 1 else probabilities.argmax(axis=1)


def _decode(photo: Path) -> tuple[np.ndarray, Turn]:
    """The pixels as stored, and what turns such an array upright; not by the code that is inside the export."""
    contents = read_photo(photo)
    if is_animated_webp(contents):  # Pillow decodes its first frame
        raise InputError(f"{photo}: {why_not_decoded(contents)}.")
    try:
        return decode_photo(contents)
    except (OSError, SyntaxError, tf.errors.InvalidArgumentError) as error:
        raise InputError(f"{photo}: {why_not_decoded(contents)}.") from error


def _traced(segmenter: Segmenter | None) -> Segment | None:
    """A segmenter in a graph, which is traced at its first image: all the images have one size."""
    return tf.function(segmenter.__call__, autograph=False) if segmenter else None


def _keep(array: np.ndarray) -> np.ndarray:
    return array


def _views(
    model: keras.Model,
    photos: Sequence[tuple[np.ndarray, Turn]],
    segment: Segment | None,
    preprocessor: Preprocessor,
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The model's inputs, uint8 (photos, size, size, channels), and the masks, uint8 (photos, size, size, 1)."""
    size = model.inputs[0].shape[1]
    made = {"photo": np.stack([turn(images.resize(pixels, size).numpy()) for pixels, turn in photos])}
    masks = None
    if segment:
        # One by one, as in the other process: how a convolution sums, and so a pixel at one half, depends on the
        # batch size.
        wanted = _size_to_segment(model, preprocessor)
        to_segment = [turn(images.resize(pixels, wanted).numpy()) for pixels, turn in photos]
        probabilities = [segment(tf.constant(image[None])) for image in to_segment]
        masks = np.concatenate([images.to_masks(probability, size, size).numpy() for probability in probabilities])
        share = (masks >= 128).mean(axis=(1, 2, 3), dtype=np.float32)
        masks[share < np.float32(preprocessor.min_person_share)] = 0
        made["mask"] = masks
        made["segmented"] = composite(made["photo"], masks, preprocessor.background, preprocessor.edges).numpy()
    return {tensor.name: made[tensor.name] for tensor in model.inputs}, masks


def _size_to_segment(model: keras.Model, preprocessor: Preprocessor) -> int:
    return (preprocessor.segmenter and preprocessor.segmenter.size) or model.inputs[0].shape[1]


def _person_probabilities(segment: Segment, size: int, pixels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Person probability of the pixels that the other process passes to ``segment``: float32 (1, height, width, 1)."""
    masks = []
    for image in pixels:
        step = 1 + max(image.shape) // 512
        image = image[tf.newaxis, ::step, ::step]
        probability = segment(images.resize(image, size))
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
