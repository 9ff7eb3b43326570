"""Every system with one or two small networks, and views for it to look at."""

from functools import cache

import keras
import numpy as np

from keras_sister import models
from keras_sister.config import SYSTEMS
from keras_sister.layers import PixelNormalization
from keras_sister.schema import DCSA

RESNETS = ("sister_a", "masked", "gate_concat")
"""The systems whose networks are ``resnet_mini``; the others get one convolution, which is built sooner."""
VIEWS = {
    view: np.random.default_rng(seed).integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)
    for seed, view in enumerate(("photo", "segmented"))
}
VIEWS["mask"] = np.zeros((3, 40, 40, 1), np.uint8)
VIEWS["mask"][0, 8:, 4:24] = 255
VIEWS["mask"][1, :30, 20:] = 200  # and nobody in the third


def views_of(system: str) -> dict[str, np.ndarray]:
    return {view: VIEWS[view] for view in SYSTEMS[system]}


def untrained(system: str) -> keras.Model:
    backbone = "resnet_mini" if system in RESNETS else one_convolution()
    return models.build(system, DCSA, backbone=backbone, person_backbone=backbone, weights="none", size=40)


def one_convolution() -> keras.Model:
    """A backbone with a map of 3 × 3, as that of ``resnet_mini`` is."""
    pixels = keras.Input((40, 40, 3))
    scaled = PixelNormalization(mean=(127, 127, 127), std=(64, 64, 64))(pixels)
    convolution = keras.layers.Conv2D(16, 13, strides=13, use_bias=False, data_format="channels_last")
    normalized = keras.layers.BatchNormalization(axis=-1)(convolution(scaled))
    return keras.Model(pixels, keras.layers.ReLU()(normalized))


def build(system: str) -> keras.Model:
    """With weights none of which is a plain zero or one, as biases and statistics are at first: each has a say."""
    keras.utils.set_random_seed(0)
    model = untrained(system)
    rng = np.random.default_rng(1)
    model.set_weights([w * rng.uniform(0.8, 1.2, w.shape) + rng.normal(0, 0.02, w.shape) for w in model.get_weights()])
    return model


@cache
def model_of(system: str) -> keras.Model:
    """The model of `build`, for all tests that leave it as it is."""
    return build(system)
