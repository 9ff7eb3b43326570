"""A trained network as a segmenter: a folder with ``model.keras`` and ``segmenter.json``."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_sister.atomic import write_aside
from keras_sister.errors import InputError
from keras_sister.segmentation import fcn8s as fcn8s  # registers the layers of the saved model


class NetworkSegmenter(tf.Module):
    """A segmenter that asks a network for the class of every pixel.

    Args:
        model: images to logits, (batch, height, width, classes).
        size: height and width of the images that it is asked about.
        classes: the names of its classes.
        person: those of them that count as person, by index.

    Attributes:
        fingerprint: of the weights, the size and the person's classes.
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

    def check(self, names: Sequence[str]) -> None:
        """Any photo can be segmented."""

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """How probable each class is: float32, (batch, height, width, classes), adding up to 1."""
        return tf.nn.softmax(self.model(tf.cast(images, tf.float32), training=False))

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        of_person = tf.gather(self.probabilities(images), self.person, axis=-1)
        return tf.reduce_sum(of_person, axis=-1, keepdims=True)


def save(folder: Path, segmenter: NetworkSegmenter, scores: dict[str, Any] | None) -> None:
    """Write a segmenter's folder; ``segmenter.json``, which makes it one, comes last.

    Args:
        folder: to write into.
        segmenter: trained.
        scores: what it reached on photos held out, to travel with it; None if nobody looked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = segmenter.model
    bare = keras.Model(network.input, network.output, name=network.name)  # without what it was compiled with
    write_aside(folder / "model.keras", bare.save)
    content = {
        "kind": network.name,
        "size": segmenter.size,
        "classes": segmenter.classes,
        "person": segmenter.person,
        "fingerprint": segmenter.fingerprint,
        "scores": scores,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_aside(folder / "segmenter.json", lambda path: path.write_text(text, encoding="utf-8"))


def load(folder: Path) -> NetworkSegmenter:
    """Read what `save` wrote.

    Raises:
        InputError: if `folder` is no segmenter, or a damaged one, or a DeepLab where KerasHub is not installed.
    """
    try:
        content = json.loads((folder / "segmenter.json").read_text(encoding="utf-8"))
        custom_objects: dict[str, Any] = {}
        if content["kind"] == "deeplab":
            from keras_sister.segmentation import deeplab

            custom_objects = deeplab.CUSTOM_OBJECTS
        # Whatever precision a run is trained in, masks are found in that of the saved model.
        model = keras.saving.load_model(folder / "model.keras", custom_objects=custom_objects, compile=False)
        segmenter = NetworkSegmenter(model, size=content["size"], classes=content["classes"], person=content["person"])
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: not a segmenter; make one with 'sister-keras segment train DIR --out FCN'."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder}: not a readable segmenter: {str(error).strip().splitlines()[0]}") from error
    if segmenter.fingerprint != content["fingerprint"]:
        raise InputError(f"{folder}: model.keras is not the one that segmenter.json describes; train it again.")
    return segmenter
