"""Augmentation of training photos that changes no attribute.

Horizontal flip, shift, brightness and contrast. Hues do not change, because 11 of DCSA's 26 attributes are colours. The
paper names no augmentation; it is off by default.
"""

from typing import Any

import keras
import numpy as np

SHIFT = 0.08
"""Largest shift, as a share of the size, in both directions; the border is repeated."""

LIGHT = 0.2
"""Largest relative change of brightness and of contrast."""


def augment(images: dict[str, Any], draws: Any) -> dict[str, Any]:
    """Augment a batch of images; all images of a photo are flipped and shifted alike.

    On every Keras backend, and in its graphs, with the same pixels.

    Args:
        images: uint8 (batch, size, size, channels) by name; only ``photo``, RGB, changes in brightness and contrast.
        draws: float32 (batch, 5 or more), see `keras_sister.data.chance.random_draws`.

    Returns:
        Images of the same names, shapes and dtypes.
    """
    images = {name: keras.ops.convert_to_tensor(image) for name, image in images.items()}
    size = images["photo"].shape[1]
    flip, down, right, brightness, contrast = keras.ops.unstack(draws[:, :5], axis=1)
    y, x = _shifted(size, down), _shifted(size, right)
    x = keras.ops.where(flip[:, None] < 0, size - 1 - x, x)
    moved = {name: _moved(image, y, x) for name, image in images.items()}
    return {**moved, "photo": _lit(moved["photo"], 1 + LIGHT * brightness, 1 + LIGHT * contrast)}


def _shifted(size: int, share: Any) -> Any:
    """Source position of each pixel of a shifted line: int32 (batch, size)."""
    shift = keras.ops.cast(keras.ops.round(SHIFT * share * float(size)), "int32")
    return keras.ops.clip(keras.ops.arange(size, dtype="int32")[None] - shift[:, None], 0, size - 1)


def _moved(images: Any, y: Any, x: Any) -> Any:
    """The pixels of each image at its own rows and columns, int32 (batch, size)."""
    size, channels = images.shape[1], images.shape[3]
    first = keras.ops.arange(keras.ops.shape(images)[0], dtype="int32")[:, None] * size
    places = ((first + y) * size)[:, :, None] + x[:, None, :]  # (batch, size, size), in the list of all pixels
    return keras.ops.take(keras.ops.reshape(images, (-1, channels)), places, axis=0)


def _lit(photos: Any, brightness: Any, contrast: Any) -> Any:
    total = keras.ops.sum(keras.ops.cast(photos, "int32"), axis=(1, 2, 3), keepdims=True)  # exact in any order
    mean = keras.ops.cast(total, "float32") / float(np.prod(photos.shape[1:]))
    levels = keras.ops.cast(photos, "float32")
    levels = (mean + (levels - mean) * contrast[:, None, None, None]) * brightness[:, None, None, None]
    return keras.ops.cast(keras.ops.round(keras.ops.clip(levels, 0, 255)), "uint8")
