"""The backbones of ``keras.applications``, each with its own normalisation."""

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_sister.backbone_names import applications
from keras_sister.errors import InputError, reason_of
from keras_sister.layers import PixelNormalization

_TORCH = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
_TENSORFLOW = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}
_BY_128 = {"mean": (128.0, 128.0, 128.0), "std": (128.0, 128.0, 128.0)}

APPLICATIONS = applications()
"""The networks of the installed ``keras.applications``: our name of each, and Keras's."""

_NORMALIZING = {"efficientnetv2-b": _TORCH, "efficientnetv2-": _BY_128, "convnext_": _TORCH, "mobilenetv3": _TENSORFLOW}
"""Networks that can normalise by themselves, but would do so at the precision of the dtype policy."""


def last_feature_map(network: str, pixels: Any, *, pretrained: bool) -> Any:
    """Apply a network of ``keras.applications`` without its top.

    Args:
        network: a key of `APPLICATIONS`.
        pixels: symbolic tensor, shape (batch, height, width, 3), RGB, 0–255.
        pretrained: load the ImageNet weights, else start from random ones.

    Returns:
        Symbolic tensor, shape (batch, height, width, channels).

    Raises:
        InputError: if the ImageNet weights cannot be downloaded, or the images are too small for the network.
    """
    constructor = getattr(keras.applications, APPLICATIONS[network])
    options: dict[str, Any] = {"include_top": False}
    normalization: dict[str, Any] | None = next(
        (known for prefix, known in _NORMALIZING.items() if network.startswith(prefix)), None
    )
    if normalization:
        options["include_preprocessing"] = False
    else:
        normalization = _normalization_of(sys.modules[constructor.__module__].preprocess_input)
    options["input_tensor"] = PixelNormalization(**normalization, name="normalization")(pixels)
    if not pretrained:
        return _built(constructor, weights=None, **options)
    try:
        return _built(constructor, weights="imagenet", **options)
    except InputError:
        raise
    except Exception as error:  # Keras raises a plain Exception for a failed download
        raise InputError(
            f"The ImageNet weights of {network} cannot be downloaded: {reason_of(error)}.\n"
            "Download the file elsewhere and use --weights FILE, or start from random weights with --weights none."
        ) from error


def _built(constructor: Callable[..., keras.Model], *, weights: str | None, **options: Any) -> Any:
    try:
        return constructor(weights=weights, **options).output
    except ValueError as error:
        size = options["input_tensor"].shape[1]
        raise InputError(
            f"{constructor.__name__}: cannot be built for {size} × {size} pixels: {reason_of(error)}"
        ) from error


def _normalization_of(preprocess_input: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """The mean, standard deviation and order of channels of a network's own ``preprocess_input``, by trying it."""
    black, white = (preprocess_input(np.full((1, 1, 1, 3), level, np.float64))[0, 0, 0] for level in (0.0, 255.0))
    red = preprocess_input(np.array([[[[255.0, 0.0, 0.0]]]]))[0, 0, 0]
    bgr = bool(red[0] == black[0])
    std = np.round(255 / (white - black), 6)
    mean = np.round(0 - black * std, 6)
    order = slice(None, None, -1) if bgr else slice(None)
    return {"mean": tuple(mean[order].tolist()), "std": tuple(std[order].tolist()), "bgr": bgr}
