"""A model whose truth is known: its photo tower speaks for ``red`` on red, its person tower for ``blue`` on blue."""

import keras
import numpy as np

from keras_sister import models
from keras_sister.schema import Attribute, Schema

SCHEMA = Schema((Attribute("red"), Attribute("blue"), Attribute("neckline", ("v_shape", "round", "other"))))
PLACE = (slice(8, 16), slice(20, 28))
"""Rows and columns of the coloured square in `views`."""


def detector() -> keras.Model:
    """A backbone of two channels, one for red and one for blue, in cells of 4 × 4 pixels."""
    pixels = keras.Input((32, 32, 3))
    layer = keras.layers.Conv2D(2, 4, strides=4, activation="relu", name="colours")
    found = keras.Model(pixels, layer(pixels))
    each = np.array([[1, -1], [-1, -1], [-1, 1]]) / 16 / 255  # red − green − blue, and blue − red − green
    layer.set_weights([np.broadcast_to(each, (4, 4, 3, 2)), np.zeros(2)])
    return found


def red_model(system: str = "sister_a") -> keras.Model:
    """The logit of ``red`` is 3 × the reddest cell of the photo, that of ``blue`` 2 × the bluest of the person view."""
    model = models.build(system, SCHEMA, backbone=detector(), person_backbone=detector(), size=32)
    for view, channel, unit in (("photo", 0, 0), ("segmented", 1, 1)):
        kernel = np.zeros((2, 1024), np.float32)
        kernel[channel, unit] = 1
        model.get_layer(f"{view}_features").set_weights([kernel, np.zeros(1024)])
    last = np.zeros((1024, SCHEMA.n_logits), np.float32)
    last[0, 0], last[1, 1] = 3, 2
    model.get_layer("logits").set_weights([last, np.array([-1, 0.5, 0, 0, 0])])
    return model


def views(colour: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Both views the same: a square of this colour on grey."""
    pixels = np.full((1, 32, 32, 3), 120, np.uint8)
    pixels[0][PLACE] = colour
    return {"photo": pixels, "segmented": pixels.copy()}
