"""The backbones of ``keras.applications``, each with the normalisation that its ImageNet weights expect."""

from collections.abc import Callable
from typing import Any

import keras
from keras import applications

from keras_sister.errors import InputError
from keras_sister.layers import PixelNormalization

_CAFFE = {"mean": (123.68, 116.779, 103.939), "std": (1.0, 1.0, 1.0), "bgr": True}
_TORCH = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
_TENSORFLOW = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}
_BY_128 = {"mean": (128.0, 128.0, 128.0), "std": (128.0, 128.0, 128.0)}

# These networks can normalise by themselves, but would do so at the precision of the dtype policy.
_RAW = {"include_preprocessing": False}

APPLICATIONS: dict[str, tuple[Callable[..., keras.Model], dict[str, Any], dict[str, Any]]] = {
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
"""Constructor, normalisation and further arguments of each backbone."""


def last_feature_map(network: str, pixels: Any, *, pretrained: bool) -> Any:
    """Apply a network of ``keras.applications`` without its top.

    Args:
        network: a key of `APPLICATIONS`.
        pixels: symbolic tensor, shape (batch, height, width, 3), RGB, 0–255.
        pretrained: load the ImageNet weights, else start from random ones.

    Returns:
        Symbolic tensor, shape (batch, height, width, channels).

    Raises:
        InputError: if the ImageNet weights cannot be downloaded.
    """
    constructor, normalization, options = APPLICATIONS[network]
    x = PixelNormalization(**normalization, name="normalization")(pixels)
    options = {"include_top": False, "input_tensor": x, **options}
    if not pretrained:
        return constructor(weights=None, **options).output
    try:
        return constructor(weights="imagenet", **options).output
    except Exception as error:  # Keras raises a plain Exception for a failed download
        raise InputError(
            f"The ImageNet weights of {network} cannot be downloaded: {error}.\n"
            "Download the file elsewhere and use --weights FILE, or start from random weights with --weights none."
        ) from error
