"""Inputs that a model refuses."""

import keras
import numpy as np
import pytest

from keras_sister import models
from keras_sister.schema import Attribute, Schema

SCHEMA = Schema((Attribute("collar"), Attribute("neckline", ("v_shape", "round", "other"))))
PHOTO, SEGMENTED = np.random.default_rng(0).integers(0, 256, (2, 4, 32, 32, 3)).astype(np.uint8)
LABELS = np.zeros((4, 2), np.int8)
MISTAKES = {
    "extra": ({"photo": PHOTO, "segmented": SEGMENTED}, "expected the views segmented. Received: photo, segmented"),
    "missing": ({"photo": PHOTO}, "expected the views segmented. Received: photo"),
    "no name": (SEGMENTED, "expected the views segmented. Received: .*not a dict"),
    "a list": ([SEGMENTED], "expected the views segmented. Received: .*not a dict"),
    "one channel": ({"segmented": SEGMENTED[..., :1]}, r"segmented of shape \(None, 32, 32, 3\).*32, 1\)"),
    "another size": ({"segmented": SEGMENTED[:, :16]}, r"segmented of shape \(None, 32, 32, 3\).*16, 32, 3\)"),
}


def tiny(system: str, **options: str) -> keras.Model:
    """With networks of one layer, so that compiling is quick."""
    pixels = keras.Input((32, 32, 3))
    scaled = pixels / 255  # on JAX, keras.layers.Rescaling would import TensorFlow
    network = keras.Model(pixels, keras.layers.Conv2D(4, 8, strides=8)(scaled))
    return models.build(system, SCHEMA, backbone=network, person_backbone=network, size=32, **options)


def check_mistakes() -> None:
    """Hand each to a model, on any Keras backend."""
    model = tiny("segmented")
    for views, message in MISTAKES.values():
        fresh = tiny("segmented")  # on JAX Keras leaves a model whose `predict` failed without its weights
        with pytest.raises(ValueError, match=message):
            model(views)
        with pytest.raises(ValueError, match=message):
            fresh.predict(views, verbose=0)
