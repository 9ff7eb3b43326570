"""The networks that look at photos: those of ``keras.applications``, a small one of our own, or the user's.

Whichever it is, a tower takes raw pixels and gives its last feature map.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from keras import applications

from keras_sister.config import BACKBONES
from keras_sister.errors import InputError
from keras_sister.layers import PixelNormalization


def build(
    network: str | keras.Model, *, size: int, weights: str | Path | dict[str, str] = "imagenet", name: str = "tower"
) -> keras.Model:
    """A tower: raw pixels in, normalised inside as the network wants them, last feature map out.

    Args:
        network: a name in `keras_sister.config.BACKBONES`, or a ``keras.Model`` of your own that takes raw RGB,
            0–255, (batch, height, width, 3) and gives one map (batch, height, width, channels). Your model is copied
            with the weights it has, so one model given for two towers does not tie them; `weights` leaves it alone.
        size: height and width of the photos, in pixels, 32 or more.
        weights: ``imagenet``, which ``keras.applications`` downloads and keeps; ``none`` for random ones; a file,
            either ``….weights.h5`` or one of ``keras.applications`` without top; or files by the names of networks.
        name: of the model that comes back.

    Returns:
        A ``keras.Model``: (batch, size, size, 3) to (batch, height, width, channels).

    Raises:
        InputError: for an unknown name, or weights that cannot be had or do not fit.
        ValueError: if your own model gives something else than one map.

    Example:
        >>> build("resnet50", size=224, weights="none").output_shape
        (None, 7, 7, 2048)
    """
    pixels = keras.Input((size, size, 3), name="pixels")
    if isinstance(network, keras.Model):
        return keras.Model(pixels, _copy(network)(pixels), name=name)
    if network not in BACKBONES:
        raise InputError(f"backbone must be one of {', '.join(BACKBONES)}, or a keras.Model. Received: {network!r}")
    source = _weights_of(network, weights)
    tower = keras.Model(pixels, _last_map(network, pixels, pretrained=source == "imagenet"), name=name)
    if source not in ("imagenet", "none"):
        _load(tower, source, network)
    return tower


def resnet_mini(pixels: Any) -> Any:
    """A residual network small enough to learn from scratch on two cores: 0.3 million parameters, stride 16.

    A 3×3 convolution of stride 2, then three basic blocks with 32, 64 and 128 channels, each halving the map.

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
    # Keras's momentum of 0.99 takes hundreds of steps to find the statistics; a small catalogue has fewer.
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return x if activation is None else keras.layers.Activation(activation, name=f"{name}_{activation}")(x)


_CAFFE = {"mean": (123.68, 116.779, 103.939), "std": (1.0, 1.0, 1.0), "bgr": True}
_TORCH = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
_TENSORFLOW = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}
_BY_128 = {"mean": (128.0, 128.0, 128.0), "std": (128.0, 128.0, 128.0)}

# These can normalise by themselves, but would do so at the precision of the dtype policy.
_RAW = {"include_preprocessing": False}

# The constructor, the pixels its ImageNet weights are made for, and its further arguments.
_APPLICATIONS: dict[str, tuple[Callable[..., keras.Model], dict[str, Any], dict[str, Any]]] = {
    "resnet50": (applications.ResNet50, _CAFFE, {}),
    "resnet101": (applications.ResNet101, _CAFFE, {}),
    "resnet152": (applications.ResNet152, _CAFFE, {}),
    "resnet50v2": (applications.ResNet50V2, _TENSORFLOW, {}),
    "resnet101v2": (applications.ResNet101V2, _TENSORFLOW, {}),
    "resnet152v2": (applications.ResNet152V2, _TENSORFLOW, {}),
    "efficientnetv2-b0": (applications.EfficientNetV2B0, _TORCH, _RAW),
    "efficientnetv2-b3": (applications.EfficientNetV2B3, _TORCH, _RAW),
    "efficientnetv2-s": (applications.EfficientNetV2S, _BY_128, _RAW),
    "efficientnetv2-m": (applications.EfficientNetV2M, _BY_128, _RAW),
    "convnext_tiny": (applications.ConvNeXtTiny, _TORCH, _RAW),
    "convnext_small": (applications.ConvNeXtSmall, _TORCH, _RAW),
    "convnext_base": (applications.ConvNeXtBase, _TORCH, _RAW),
}


def _last_map(network: str, pixels: Any, *, pretrained: bool) -> Any:
    if network == "resnet_mini":
        if pretrained:
            raise InputError("resnet_mini has no ImageNet weights; use --weights none, or --weights FILE.")
        return resnet_mini(pixels)
    constructor, normalization, options = _APPLICATIONS[network]
    x = PixelNormalization(**normalization, name="normalization")(pixels)
    options = {"include_top": False, "input_tensor": x, **options}
    if not pretrained:
        return constructor(weights=None, **options).output
    try:
        return constructor(weights="imagenet", **options).output
    except Exception as error:  # which is what Keras raises where it cannot download
        raise InputError(
            f"The ImageNet weights of {network} cannot be had: {error}.\n"
            "Fetch that file elsewhere and give --weights FILE, or start from random weights with --weights none."
        ) from error


def _weights_of(network: str, weights: str | Path | dict[str, str]) -> str | Path:
    if not isinstance(weights, dict):
        return weights
    if network not in weights:
        raise InputError(f"weights: no file for {network}, only for {', '.join(weights)}.")
    return weights[network]


def _load(tower: keras.Model, file: str | Path, network: str) -> None:
    if not Path(file).is_file():
        raise InputError(f"weights: no such file: {file}. Expected imagenet, none, or a file of {network}'s weights.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of a layer that the file does not have
            tower.load_weights(file)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise InputError(f"{file}: not the weights of a {network} without top: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _copy(network: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    if len(copy.inputs) != 1 or not isinstance(copy.output, keras.KerasTensor) or len(copy.output.shape) != 4:
        raise ValueError(
            "Expected a backbone that takes one image and gives one map (batch, height, width, channels)."
            f" Received: {network.name} with outputs {network.outputs}"
        )
    return copy
