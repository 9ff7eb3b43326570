"""The networks that look at photos: those of ``keras.applications``, a small one of our own, or the user's.

Whichever it is, a tower takes raw pixels and gives its last feature map.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import applications

from keras_sister.errors import InputError
from keras_sister.layers import PixelNormalization


def build(
    network: str | keras.Model, *, size: int, weights: str | Path | dict[str, str] = "imagenet", name: str
) -> keras.Model:
    """A tower: raw pixels in, normalised inside as the network wants them, last feature map out.

    Args:
        network: a name in `keras_sister.config.BACKBONES`, or a ``keras.Model`` of your own that takes raw RGB,
            0–255, (batch, height, width, 3) and gives one map (batch, height, width, channels). Your model is copied
            with the weights it has, so one model given for two towers does not tie them; `weights` leaves it alone.
        size: height and width of the photos, in pixels, 32 or more.
        weights: ``imagenet``, which ``keras.applications`` downloads and keeps; ``none`` for random ones; a file, either
            ``….weights.h5`` or one of ``keras.applications`` without top; or files by the names of networks.
        name: of the model that comes back.

    Returns:
        A ``keras.Model``: (batch, size, size, 3) to (batch, height, width, channels).

    Raises:
        InputError: for an unknown name, or weights that cannot be had or do not fit.
        ValueError: if your own model gives something else than one map.

    Example:
        >>> build("resnet50", size=224, weights="none", name="photo_tower").output_shape
        (None, 7, 7, 2048)
    """
    pixels = keras.Input((size, size, 3), name="pixels")
    if isinstance(network, keras.Model):
        return keras.Model(pixels, _copy(network)(pixels), name=name)
    if network not in _NETWORKS:
        raise InputError(f"backbone must be one of {', '.join(_NETWORKS)}, or a keras.Model. Received: {network!r}")
    source = _weights_of(network, weights)
    tower = keras.Model(pixels, _last_map(network, pixels, source), name=name)
    if source not in ("imagenet", "none"):
        _load(tower, source, network)
    return tower


def resnet_mini(pixels: Any) -> Any:
    """A residual network small enough to learn from scratch on two cores: 0.7 million parameters, stride 16.

    A 3×3 convolution of stride 2, then three stages of two basic blocks with 32, 64 and 128 channels, each stage
    halving the map.

    Source: the basic block of He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (2016,
    arXiv:1512.03385), Figure 5, left.

    Args:
        pixels: float tensor, shape (batch, height, width, 3), about zero mean.

    Returns:
        Tensor, shape (batch, height / 16, width / 16, 128), rounded up.
    """
    x = _convolution(pixels, 32, stride=2, name="stem")  # (batch, height / 2, width / 2, 32)
    for stage, channels in enumerate((32, 64, 128), start=1):
        x = _basic_block(x, channels, stride=2, name=f"stage{stage}_block1")
        x = _basic_block(x, channels, stride=1, name=f"stage{stage}_block2")
    return x


def _basic_block(x: Any, channels: int, *, stride: int, name: str) -> Any:
    shortcut = x
    if stride > 1:
        shortcut = _convolution(x, channels, size=1, stride=stride, activation=None, name=f"{name}_shortcut")
    x = _convolution(x, channels, stride=stride, name=f"{name}_1")
    x = _convolution(x, channels, activation=None, name=f"{name}_2")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.Activation("relu", name=f"{name}_out")(x)


def _convolution(
    x: Any, channels: int, *, size: int = 3, stride: int = 1, activation: str | None = "relu", name: str
) -> Any:
    x = keras.layers.Conv2D(channels, size, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    return x if activation is None else keras.layers.Activation(activation, name=f"{name}_{activation}")(x)


_CAFFE = {"mean": (123.68, 116.779, 103.939), "std": (1.0, 1.0, 1.0), "bgr": True}
_TORCH = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
_PLUS_MINUS_ONE = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}
_128 = {"mean": (128.0, 128.0, 128.0), "std": (128.0, 128.0, 128.0)}


@dataclass(frozen=True)
class _Network:
    """A constructor of ``keras.applications`` and the pixels its ImageNet weights are made for.

    Some constructors can normalise by themselves; there it is switched off, since they do it at the precision of the
    dtype policy.
    """

    constructor: Callable[..., keras.Model]
    normalization: dict[str, Any]
    normalizes: bool = False


_NETWORKS = {
    "resnet50": _Network(applications.ResNet50, _CAFFE),
    "resnet101": _Network(applications.ResNet101, _CAFFE),
    "resnet152": _Network(applications.ResNet152, _CAFFE),
    "resnet50v2": _Network(applications.ResNet50V2, _PLUS_MINUS_ONE),
    "resnet101v2": _Network(applications.ResNet101V2, _PLUS_MINUS_ONE),
    "resnet152v2": _Network(applications.ResNet152V2, _PLUS_MINUS_ONE),
    "efficientnetv2-b0": _Network(applications.EfficientNetV2B0, _TORCH, normalizes=True),
    "efficientnetv2-b3": _Network(applications.EfficientNetV2B3, _TORCH, normalizes=True),
    "efficientnetv2-s": _Network(applications.EfficientNetV2S, _128, normalizes=True),
    "efficientnetv2-m": _Network(applications.EfficientNetV2M, _128, normalizes=True),
    "convnext_tiny": _Network(applications.ConvNeXtTiny, _TORCH, normalizes=True),
    "convnext_small": _Network(applications.ConvNeXtSmall, _TORCH, normalizes=True),
    "convnext_base": _Network(applications.ConvNeXtBase, _TORCH, normalizes=True),
    "resnet_mini": None,
}


def _last_map(network: str, pixels: Any, weights: str) -> Any:
    """The network behind its normalisation, without its top."""
    if network == "resnet_mini":
        if weights == "imagenet":
            raise InputError("resnet_mini has no ImageNet weights: use --weights none, or --weights FILE.")
        return resnet_mini(PixelNormalization(**_PLUS_MINUS_ONE, name="normalization")(pixels))
