"""Segmentation networks saved as SavedModels or published on TensorFlow Hub.

saved_model:PATH                        person is the only channel, or class 15 of the 21 classes of VOC
saved_model:PATH#person=12              person is class 12
hub:HANDLE#output=masks&values=0..255   name of the output, and range of the pixel values
saved_model:PATH#scores=logits          what the scores are, where trying the network does not tell
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError, reason_of
from keras_sister.extras import missing_extra
from keras_sister.saved_model_weights import check_finite_weights
from keras_sister.storage.cache import cache_folder

_OPTIONS = ("output", "person", "scores", "signature", "size", "values")
_SCORES = ("logits", "probabilities")
_VALUES = {"0..1": (1 / 255, 0.0), "0..255": (1.0, 0.0), "-1..1": (1 / 127.5, -1.0)}
# The person class by number of scores: a single channel, background and person, PASCAL VOC.
_PERSONS = {1: 0, 2: 1, 21: 15}
_CLASS_MAP = "class map"
_ROUNDING = 1e-3
_TRIED_SIZE = 256
"""Pixels of the images that a network is tried on if it takes any size."""


class SavedModelSegmenter(tf.Module):
    """A segmentation network in a SavedModel.

    The network takes images (batch, height, width, 3), uint8 or float, and gives logits or probabilities
    (batch, rows, columns, classes), those of *person* alone (batch, rows, columns, 1) or (batch, rows, columns), or a
    map of class numbers. The output is resized to the images.

    What the output is, is decided once, by trying the network on four images: whole numbers above 1 in one channel are
    a class map, other scores outside [0, 1] are logits. Scores outside [0, 1] later on are an error then.

    Args:
        folder: folder of the SavedModel.
        output: name of the output; required if there are several.
        person: index of the person class; known for scores of 2 classes and of the 21 of VOC.
        scores: ``logits`` or ``probabilities``, where trying does not tell.
        signature: name of the signature.
        size: height and width of the images it expects, in pixels, if the signature does not say.
        values: range of the pixel values, ``0..1``, ``0..255`` or ``-1..1``; by default 0–255 for integers and 0–1
            for floats, as on TensorFlow Hub.

    Attributes:
        fingerprint: hash of the files and the arguments.

    Raises:
        InputError: if the model, signature or output does not exist, or is not a segmentation network.
    """

    def __init__(
        self,
        folder: Path,
        *,
        output: str | None = None,
        person: int | None = None,
        scores: str | None = None,
        signature: str = "serving_default",
        size: int | None = None,
        values: str | None = None,
    ) -> None:
        super().__init__()
        self._name = str(folder)
        self._loaded = _load(folder)
        if signature not in self._loaded.signatures:
            found = ", ".join(self._loaded.signatures) or "none"
            raise InputError(f"{folder}: no signature '{signature}'; there are: {found}.")
        self._network = self._loaded.signatures[signature]
        self._input, self._dtype, own_size = _image_input(self._network, folder)
        self._output = _choose_output(self._network, output, folder)
        self._scale, self._shift = _VALUES[values or ("0..255" if self._dtype.is_integer else "0..1")]
        self.size = own_size or size
        example = _try(self._scores, self.size or _TRIED_SIZE, folder)
        self._channels = example.shape[3]
        self._kind = scores or _kind(example, person)
        self._person = _person_class(example, self._kind, person, folder)
        settings = f"{signature} {self._output} {self._person} {self._kind} {self.size} {values}"
        self.fingerprint = f"saved_model:{_hash(folder)} {settings}"

    def __repr__(self) -> str:
        return f"SavedModelSegmenter({self._name!r}, size={self.size})"

    def _scores(self, images: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(tf.cast(images, tf.float32) * self._scale + self._shift, self._dtype)
        scores = self._network(**{self._input: pixels})[self._output]
        return scores[..., None] if scores.shape.rank == 3 else scores

    def check(self, photos: Sequence[Path]) -> None:
        """Any photo can be segmented."""

    def folded(self) -> "SavedModelSegmenter":
        """The graph is used as it is."""
        return self

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        scores = tf.ensure_shape(self._scores(images), (None, None, None, self._channels))
        probability = _person_probability(scores, self._kind, self._person, self._name)
        return tf.image.resize(probability, tf.shape(images)[1:3], antialias=True)


def open_saved_model(spec: str) -> SavedModelSegmenter:
    """Open ``saved_model:PATH#…`` or ``hub:HANDLE#…``.

    Raises:
        InputError: for a handle that cannot be resolved, an unknown option, and as `SavedModelSegmenter` does.
    """
    kind, _, place = spec.partition(":")
    place, _, fragment = place.partition("#")
    options: dict[str, Any] = dict(parse_qsl(fragment, keep_blank_values=True))
    for name, text in options.items():
        if name not in _OPTIONS:
            raise InputError(f"{spec}: '{name}' is not an option; expected one of {', '.join(_OPTIONS)}.")
        if name in ("person", "size"):
            if not text.isdecimal():
                raise InputError(f"{spec}: {name} must be a whole number. Received: {text!r}")
            options[name] = int(text)
        else:
            allowed = {"values": tuple(_VALUES), "scores": _SCORES}.get(name, (text,))
            if text not in allowed:
                raise InputError(f"{spec}: {name} must be one of {', '.join(allowed)}. Received: {text!r}")
    return SavedModelSegmenter(_resolve(place) if kind == "hub" else Path(place), **options)


def _resolve(handle: str) -> Path:
    try:
        import tensorflow_hub  # an extra: slow to import, and needs an older setuptools
    except ImportError as error:
        raise missing_extra("hub:HANDLE needs tensorflow-hub", "hub") from error

    os.environ.setdefault("TFHUB_CACHE_DIR", str(cache_folder() / "hub"))
    try:
        return Path(tensorflow_hub.resolve(handle))
    except Exception as error:  # its resolvers raise any kind
        raise InputError(f"hub:{handle}: cannot be resolved: {reason_of(error)}") from error


def _load(folder: Path) -> Any:
    if not (folder / "saved_model.pb").is_file():
        raise InputError(f"{folder}: not a SavedModel; expected a folder with a saved_model.pb.")
    try:
        check_finite_weights(folder)
        return tf.saved_model.load(str(folder))
    except InputError:
        raise
    except Exception as error:  # TensorFlow and protobuf raise many kinds for a damaged file
        raise InputError(f"{folder}: not a readable SavedModel: {reason_of(error)}") from error


def _image_input(network: Any, folder: Path) -> tuple[str, tf.DType, int | None]:
    """Name, dtype and size of the input images; the size is None if any is accepted."""
    _, inputs = network.structured_input_signature
    if len(inputs) != 1:
        raise InputError(f"{folder}: expected one input, images. Received: {', '.join(inputs)}")
    ((name, spec),) = inputs.items()
    shape = spec.shape
    if shape.rank != 4 or shape[3] not in (3, None):
        raise InputError(f"{folder}: expected images (batch, height, width, 3). Received: {name} of shape {shape}")
    if shape[0] is not None:
        raise InputError(f"{folder}: accepts batches of {shape[0]} only; save it with a variable batch size.")
    if shape[1] != shape[2]:
        raise InputError(
            f"{folder}: accepts images of {shape[1]} × {shape[2]} pixels only; square images are required."
        )
    return name, spec.dtype, shape[1]


def _choose_output(network: Any, output: str | None, folder: Path) -> str:
    outputs = network.structured_outputs
    if output is None and len(outputs) == 1:
        (output,) = outputs
    if output is None or output not in outputs:
        raise InputError(f"{folder}: several outputs; add #output= with one of {', '.join(sorted(outputs))}.")
    if outputs[output].shape.rank not in (3, 4):
        raise InputError(f"{folder}: output {output} is not a map of pixels: {outputs[output].shape}.")
    return output


def _try(scores: Callable[[tf.Tensor], tf.Tensor], size: int, folder: Path) -> np.ndarray:
    """The scores of four images, (4, rows, columns, classes): black, white, noise, and smooth colours."""
    rng = np.random.default_rng(0)
    smooth = tf.image.resize(rng.integers(0, 256, (4, 4, 3)), (size, size))
    noise = rng.integers(0, 256, (size, size, 3))
    images = np.stack([np.zeros_like(noise), np.full_like(noise, 255), noise, np.asarray(smooth)])
    try:
        example = scores(tf.constant(images.astype(np.uint8))).numpy()
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"{folder}: fails on images of {size} × {size} pixels; add #size=: {reason_of(error)}"
        ) from error
    if not np.isfinite(example.astype(np.float32)).all():
        raise InputError(f"{folder}: gives numbers that are not finite.")
    return example


def _kind(example: np.ndarray, person: int | None) -> str:
    """What the scores are: a class map, ``logits`` or ``probabilities``."""
    if example.dtype.kind in "iu":
        return _CLASS_MAP
    values = example.astype(np.float32)
    in_range = values.min() >= -_ROUNDING and values.max() <= 1 + _ROUNDING
    if _could_be_class_map(example) and (person is not None or not in_range):
        return _CLASS_MAP
    return "probabilities" if in_range else "logits"


def _could_be_class_map(example: np.ndarray) -> bool:
    """Whether there are only whole numbers, in one channel: class numbers, or a mask of 0 and 1."""
    values = example.astype(np.float32)
    return bool(example.shape[3] == 1 and (values == np.round(values)).all())


def _person_class(example: np.ndarray, kind: str, person: int | None, folder: Path) -> int:
    classes = example.shape[3]
    if example.dtype.kind in "iu" and (classes > 1 or kind != _CLASS_MAP):
        raise InputError(f"{folder}: whole numbers in {classes} channels are not scores; floats are required.")
    if kind == "logits" and _could_be_class_map(example):  # of which the sigmoid would be a person everywhere
        raise InputError(
            f"{folder}: gives whole numbers, which are not logits; add #person=NUMBER for classes, without #scores."
        )
    if kind == _CLASS_MAP:
        if person is None:
            raise InputError(f"{folder}: gives a map of class numbers; add #person=NUMBER, that of the person class.")
        return person
    if person is None:
        person = _PERSONS.get(classes)
    if person is None:
        raise InputError(f"{folder}: {classes} classes; add #person=NUMBER, the index of the person class.")
    if person >= classes:
        raise InputError(f"{folder}: #person={person}, but there are {classes} classes, counted from 0.")
    return person


def _person_probability(scores: tf.Tensor, kind: str, person: int, name: str) -> tf.Tensor:
    """Person probability from any kind of output: float32 (batch, rows, columns, 1)."""
    if kind == _CLASS_MAP:
        return tf.cast(scores == tf.cast(person, scores.dtype), tf.float32)
    scores = tf.cast(scores, tf.float32)
    if kind == "logits":
        scores = tf.sigmoid(scores) if scores.shape[3] == 1 else tf.nn.softmax(scores)
    else:
        in_range = tf.reduce_all((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING))
        remedy = "add #scores=logits"
        if scores.shape[3] == 1:
            remedy = "add #person=NUMBER if they are class numbers, or #scores=logits"
        with tf.control_dependencies([tf.debugging.Assert(in_range, [f"{name}: scores outside 0..1; {remedy}"])]):
            scores = tf.identity(scores)
    return scores[..., person : person + 1]


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(os.fsencode(file.relative_to(folder)) + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
