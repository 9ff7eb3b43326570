"""The backbones of ``keras.applications``, each with its own normalisation."""

import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister.backbone_names import applications, same_letters
from keras_sister.errors import InputError, reason_of
from keras_sister.layers import PixelNormalization
from keras_sister.storage.weight_files import OnBytes

_TORCH = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
_TENSORFLOW = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}
_BY_128 = {"mean": (128.0, 128.0, 128.0), "std": (128.0, 128.0, 128.0)}

APPLICATIONS = applications()
"""The networks of the installed ``keras.applications``: our name of each, and Keras's."""

_NORMALIZING = {"efficientnetv2-b": _TORCH, "efficientnetv2-": _BY_128, "convnext_": _TORCH, "mobilenetv3": _TENSORFLOW}
"""Networks that can normalise by themselves, but would do so at the precision of the dtype policy."""

_FILE = re.compile(r"(.+?)(_weights_.*)?_no_?top\.h5")
"""How Keras names a file of weights without top: ``resnet50_weights_…_notop.h5``, ``convnext_tiny_notop.h5``."""

_COUNTS = re.compile("([0-9]+)/([0-9]+)\x1b")
"""The bytes in the text of a ``keras.utils.Progbar``, which writes them bold."""

_SIZE = 224  # of images that every network takes; the weights are the same for all sizes


def is_downloaded(network: str) -> bool:
    """Whether Keras's cache has the ImageNet weights of a network, as far as the names of its files tell.

    False costs no second download: Keras looks for the file itself. So it is for MobileNet, whose files have the size
    of the images in their names.
    """
    folder = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"
    names = (found[1] for file in folder.glob("*.h5") if (found := _FILE.fullmatch(file.name)))
    return any(same_letters(name) == same_letters(network) for name in names)


def download(network: str, on_bytes: OnBytes) -> None:
    """Download the ImageNet weights of a network into Keras's cache; nothing is done if it has them.

    Keras downloads them where it builds the network, and tells its progress as a bar on standard output only.

    Args:
        network: a key of `APPLICATIONS`.
        on_bytes: receives the progress.

    Raises:
        InputError: see `last_feature_map`.
    """
    if not is_downloaded(network):
        with redirect_stdout(_Bar(on_bytes)):
            last_feature_map(network, keras.Input((_SIZE, _SIZE, 3)), pretrained=True)


class _Bar(io.TextIOBase):
    """A stream that takes Keras's progress bar."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self._on_bytes = on_bytes

    def write(self, text: str) -> int:
        for done, of in _COUNTS.findall(text):
            self._on_bytes(int(done), int(of))
        return len(text)


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
