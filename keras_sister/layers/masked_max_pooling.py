"""Max and average pooling over the person's part of a feature map."""

from typing import Any

import keras
import numpy as np

_HALF = 0.5 - 1e-6
"""One half of a cell, less what float32 rounds, so that exactly one half is enough on every backend."""


@keras.saving.register_keras_serializable(package="keras_sister")
class MaskedMaxPooling2D(keras.layers.Layer):
    """Global max pooling over the cells of a feature map that show the person.

    The mask is resized to the map, bilinear and antialiased; a cell shows the person from one half on. If no cell does,
    because no person was found or the person is too small, the whole map is pooled.

    Call arguments:
        inputs: a map (batch, height, width, channels), and a mask (batch, rows, columns, 1) of any size: bool;
            uint8 or float, 0–255, 255 = person; or, where no value of a photo's mask reaches 2, from 0 to 1 = person.
            Both sizes must be known when the graph is built.

    Returns:
        Tensor (batch, channels), of the map's dtype.

    Raises:
        ValueError: if the size of map or mask is not known, or the mask has more than one channel.

    Example:
        >>> MaskedMaxPooling2D()([features, masks]).shape
        (8, 2048)
    """

    def call(self, inputs: tuple[Any, Any]) -> Any:
        features, mask = inputs
        least = keras.ops.cast(-65504, features.dtype)  # of float16, so that it is finite everywhere
        return keras.ops.max(keras.ops.where(_pooled_cells(features, mask), features, least), axis=(1, 2))

    def compute_output_shape(self, input_shape: tuple[Any, Any]) -> tuple[Any, Any]:
        features, _ = input_shape
        return features[0], features[-1]


@keras.saving.register_keras_serializable(package="keras_sister")
class MaskedAveragePooling2D(keras.layers.Layer):
    """Global average pooling over the cells of a feature map that show the person.

    In all else as `MaskedMaxPooling2D`.
    """

    def call(self, inputs: tuple[Any, Any]) -> Any:
        features, mask = inputs
        cells = keras.ops.cast(_pooled_cells(features, mask), "float32")
        total = keras.ops.sum(keras.ops.cast(features, "float32") * cells, axis=(1, 2))
        return keras.ops.cast(total / keras.ops.sum(cells, axis=(1, 2)), features.dtype)

    def compute_output_shape(self, input_shape: tuple[Any, Any]) -> tuple[Any, Any]:
        features, _ = input_shape
        return features[0], features[-1]


def _pooled_cells(features: Any, mask: Any) -> Any:
    """The cells that show the person, or all of them if none does: bool (batch, height, width, 1)."""
    person = _resize(_share(mask), features.shape[1:3]) >= _HALF
    nobody = keras.ops.logical_not(keras.ops.any(person, axis=(1, 2), keepdims=True))
    return keras.ops.logical_or(person, nobody)


def _share(mask: Any) -> Any:
    """The person's share of every pixel: float32, in [0, 1].

    A mask from 0 to 1 reaches a little above 1 after a bicubic resize, but not 2; integers are what they are.
    """
    values = keras.ops.cast(mask, "float32")
    highest = keras.ops.max(values, axis=(1, 2, 3), keepdims=True)
    return keras.ops.clip(keras.ops.where(highest < 2, values, values / 255), 0, 1)


def _resize(share: Any, size: tuple[int | None, int | None]) -> Any:
    """Resize (batch, rows, columns, 1), bilinear and antialiased.

    A product of constant matrices: TensorFlow's operation cannot be compiled by XLA, and differs from PyTorch's.
    """
    _, rows, columns, channels = share.shape
    height, width = size
    if channels != 1 or rows is None or columns is None or height is None or width is None:
        raise ValueError(
            "Expected a mask (batch, rows, columns, 1) and a map of known sizes."
            f" Received: mask.shape={tuple(share.shape)}, map size={tuple(size)}"
        )
    # (height, rows) · (batch, rows, columns) · (columns, width)
    vertical, horizontal = _interpolation(rows, height), _interpolation(columns, width)
    resized = keras.ops.matmul(keras.ops.matmul(vertical, share[..., 0]), horizontal.T)
    return resized[..., None]


def _interpolation(before: int, after: int) -> np.ndarray:
    """The weights of every old pixel in every new one: float32 array, shape (after, before).

    A triangle as wide as two old or two new pixels, whichever are larger, around the centre of each new pixel; at the
    border the weights of the pixels that exist are scaled to the sum 1.
    """
    scale = before / after
    centres = (np.arange(after)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(before) + 0.5 - centres) / max(scale, 1)
    weights = np.maximum(1 - distance, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
