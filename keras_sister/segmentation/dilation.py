"""Dilation of masks, on every Keras backend and in its graphs."""

from typing import Any

import keras


def dilate(probability: Any, margin: int) -> Any:
    """The maximum over a square that reaches `margin` pixels to each side of a pixel.

    Args:
        probability: float tensor, shape (batch, height, width, 1).
        margin: in pixels; 0 changes nothing.

    Returns:
        Tensor of the same shape.
    """
    if margin:
        for window in ((2 * margin + 1, 1), (1, 2 * margin + 1)):
            probability = keras.ops.max_pool(
                probability, window, strides=1, padding="same", data_format="channels_last"
            )
    return probability
