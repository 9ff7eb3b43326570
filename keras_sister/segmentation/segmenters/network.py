"""A trained network as a segmenter, in a folder with ``model.keras`` and ``segmenter.json``."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import keras
import tensorflow as tf

import keras_sister.segmentation.networks.fcn8s  # noqa: F401 - registers the layers of saved models
from keras_sister.backbones.finite import check_finite
from keras_sister.data.segmentation.classes import VOC
from keras_sister.errors import InputError, reason_of
from keras_sister.folding import fold_batch_norm, has_batch_norm
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import read_json, write_json


class NetworkSegmenter(tf.Module):
    """A segmentation network that predicts the class of every pixel.

    Args:
        model: images to logits, (batch, height, width, classes).
        size: height and width of the images it expects, in pixels.
        classes: names of the classes.
        person: indices of the classes that count as person.

    Attributes:
        fingerprint: hash of the weights, the size and the person classes.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        size: int,
        classes: Sequence[str] = ("background", "person"),
        person: Sequence[int] = (1,),
    ) -> None:
        super().__init__()
        self.model = model
        self.size: int | None = size
        self.classes = tuple(classes)
        self.person = tuple(person)
        digest = hashlib.sha256(f"{size} {self.person}".encode())
        for weight in model.get_weights():
            digest.update(str(weight.shape).encode() + weight.tobytes())
        self.fingerprint = f"{model.name}:{digest.hexdigest()}"

    def __repr__(self) -> str:
        return f"NetworkSegmenter({self.model.name}, size={self.size}, {len(self.classes)} classes)"

    def check(self, photos: Sequence[Path]) -> None:
        """Any photo can be segmented."""

    def folded(self) -> "NetworkSegmenter":
        """See `keras_sister.segmenter.Segmenter`."""
        if not has_batch_norm(self.model):
            return self
        size = cast(int, self.size)
        return NetworkSegmenter(fold_batch_norm(self.model), size=size, classes=self.classes, person=self.person)

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """Class probabilities: float32, (batch, height, width, classes), with a sum of 1 over the classes."""
        return tf.nn.softmax(self.model(tf.cast(images, tf.float32), training=False))

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        of_person = tf.gather(self.probabilities(images), self.person, axis=-1)
        return tf.reduce_sum(of_person, axis=-1, keepdims=True)


def voc_segmenter(model: keras.Model, *, size: int) -> NetworkSegmenter:
    """A segmenter from a network with the 21 classes of PASCAL VOC.

    Args:
        model: images to logits, (batch, height, width, 21).
        size: height and width of the images, in pixels.
    """
    return NetworkSegmenter(model, size=size, classes=VOC, person=(VOC.index("person"),))


def deeplab_preset_segmenter(preset: str) -> NetworkSegmenter:
    """A segmenter from a DeepLab V3+ preset of KerasHub.

    Args:
        preset: see `keras_sister.segmentation.networks.deeplab.deeplab_preset`.

    Raises:
        InputError: if KerasHub is not installed or the preset cannot be loaded.
    """
    from keras_sister.segmentation.networks.deeplab import deeplab_preset  # KerasHub is an extra

    model = deeplab_preset(preset)
    return voc_segmenter(model, size=model.input_shape[1])


def save_segmenter(folder: Path, segmenter: NetworkSegmenter, scores: dict[str, Any] | None) -> None:
    """Write a segmenter's folder. ``segmenter.json`` is written last: it makes the folder a segmenter.

    Args:
        folder: the folder to write.
        segmenter: the trained segmenter.
        scores: scores on held-out photos, kept with it; None if it was not evaluated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = segmenter.model
    uncompiled = keras.Model(network.input, network.output, name=network.name)
    write_atomically(folder / "model.keras", uncompiled.save)
    content = {
        "kind": network.name,
        "size": segmenter.size,
        "classes": segmenter.classes,
        "person": segmenter.person,
        "fingerprint": segmenter.fingerprint,
        "scores": scores,
    }
    write_json(folder / "segmenter.json", content)


def load_segmenter(folder: Path) -> NetworkSegmenter:
    """Read a folder that `save_segmenter` wrote.

    Raises:
        InputError: if the folder is not a segmenter or is damaged, or for a DeepLab where KerasHub is not installed.
    """
    if not (folder / "segmenter.json").exists():
        raise InputError(f"{folder}: not a segmenter; make one with 'sister-keras segment train DIR --out FCN'.")
    try:
        content = read_json(folder / "segmenter.json")
        # The model keeps the precision it was saved in, whatever the dtype policy of this process is.
        model = keras.saving.load_model(folder / "model.keras", custom_objects=_custom_objects(content), compile=False)
        check_finite(model, folder / "model.keras")
        segmenter = NetworkSegmenter(model, size=content["size"], classes=content["classes"], person=content["person"])
    except InputError:
        raise
    except Exception as error:  # Keras, h5py and zipfile raise many kinds for a damaged file
        raise InputError(f"{folder}: not a readable segmenter: {reason_of(error)}") from error
    if segmenter.fingerprint != content["fingerprint"]:
        raise InputError(f"{folder}: model.keras does not match segmenter.json; train the segmenter again.")
    return segmenter


def _custom_objects(content: dict[str, Any]) -> dict[str, Any]:
    if content["kind"] != "deeplab":
        return {}
    from keras_sister.segmentation.networks.deeplab import CUSTOM_OBJECTS  # KerasHub is an extra

    return CUSTOM_OBJECTS
