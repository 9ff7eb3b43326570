"""A small residual network that trains from random weights on a CPU."""

from typing import Any

import keras

from keras_sister.layers import PixelNormalization


def resnet_mini(pixels: Any) -> Any:
    """Apply a residual network of 0.3 million parameters and stride 16.

    A 3×3 convolution of stride 2, then three basic blocks with 32, 64 and 128 channels, each of stride 2.

    Source: the basic block of He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (2016,
    arXiv:1512.03385), Figure 5, left.

    Args:
        pixels: tensor, shape (batch, height, width, 3), RGB, 0–255.

    Returns:
        Tensor, shape (batch, height / 16, width / 16, 128), rounded up.
    """
    x = PixelNormalization(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5), name="normalization")(pixels)
    x = _convolution(x, 32, stride=2, name="stem")  # (batch, height / 2, width / 2, 32)
    for block, channels in enumerate((32, 64, 128), start=1):
        x = _basic_block(x, channels, name=f"block{block}")
    return x


def _basic_block(x: Any, channels: int, *, name: str) -> Any:
    shortcut = _convolution(x, channels, size=1, stride=2, activation=None, name=f"{name}_shortcut")
    x = _convolution(x, channels, stride=2, name=f"{name}_1")
    x = _convolution(x, channels, activation=None, name=f"{name}_2")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.Activation("relu", name=f"{name}_out")(x)


def _convolution(
    x: Any, channels: int, *, size: int = 3, stride: int = 1, activation: str | None = "relu", name: str
) -> Any:
    x = keras.layers.Conv2D(channels, size, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    # Keras's default momentum of 0.99 needs hundreds of steps to estimate the statistics; a small catalogue has fewer.
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return x if activation is None else keras.layers.Activation(activation, name=f"{name}_{activation}")(x)
