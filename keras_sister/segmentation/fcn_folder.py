"""A trained FCN-8s as a segmenter: a folder with ``model.keras`` and ``segmenter.json``."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.segmentation import fcn8s as fcn8s  # registers the layers of the saved model

PERSON = 1
"""The class of person pixels in a network that tells background from person."""


class FcnSegmenter(tf.Module):
    """A segmenter that asks a trained FCN.

    Args:
        model: images to logits, (batch, height, width, classes).
        size: height and width of the images it was trained on.
        person: the class that is person.

    Attributes:
        fingerprint: of the weights, the size and the class.
    """

    def __init__(self, model: keras.Model, *, size: int, person: int = PERSON) -> None:
        super().__init__()
        self.model = model
        self.size: int | None = size
        self.person = person
        digest = hashlib.sha256(f"{size} {person}".encode())
        for weight in model.get_weights():
            digest.update(str(weight.shape).encode() + weight.tobytes())
        self.fingerprint = f"fcn8s:{digest.hexdigest()}"

    def check(self, names: Sequence[str]) -> None:
        """Any photo can be segmented."""

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        logits = self.model(tf.cast(images, tf.float32), training=False)
        return tf.nn.softmax(logits)[..., self.person : self.person + 1]


def save(folder: Path, segmenter: FcnSegmenter, scores: dict[str, Any]) -> None:
    """Write a segmenter's folder; ``segmenter.json``, which makes it one, comes last.

    Args:
        folder: to write into.
        segmenter: trained.
        scores: what it reached on photos held out, to travel with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / ".model.keras"
    network = segmenter.model
    keras.Model(network.input, network.output, name=network.name).save(aside)  # without what it was compiled with
    aside.replace(folder / "model.keras")
    content = {
        "kind": "fcn8s",
        "size": segmenter.size,
        "person": segmenter.person,
        "fingerprint": segmenter.fingerprint,
        "scores": scores,
    }
    aside = folder / ".segmenter.json"
    aside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    aside.replace(folder / "segmenter.json")


def load(folder: Path) -> FcnSegmenter:
    """Read what `save` wrote.

    Raises:
        InputError: if `folder` is no segmenter, or a damaged one.
    """
    try:
        content = json.loads((folder / "segmenter.json").read_text(encoding="utf-8"))
        # Whatever precision a run is trained in, masks are found in that of the saved model.
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        segmenter = FcnSegmenter(model, size=content["size"], person=content["person"])
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: not a segmenter; make one with 'sister-keras segment train DIR --out FCN'."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder}: not a readable segmenter: {str(error).strip().splitlines()[0]}") from error
    if segmenter.fingerprint != content["fingerprint"]:
        raise InputError(f"{folder}: model.keras is not the one that segmenter.json describes; train it again.")
    return segmenter
