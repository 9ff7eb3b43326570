"""Reader of MatConvNet's FCN-8s with the authors' weights: ``pascal-fcn8s-dag.mat``.

The parameters are named ``conv1_1f`` and ``conv1_1b``, or ``conv1_1_filter`` and ``conv1_1_bias``. Filters are height ×
width × in × out, those of transposed convolutions height × width × out × in, as in Keras.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister.data.segmentation.classes import VOC
from keras_sister.errors import InputError
from keras_sister.segmentation.importers.matconvnet_file import read_network
from keras_sister.segmentation.networks.fcn8s import published_fcn8s
from keras_sister.storage.reader_process import read_apart

_NAMES = {
    **{f"block{block}_conv{i}": (f"conv{block}_{i}",) for block in range(1, 6) for i in range(1, 4)},
    "fc6": ("fc6",),
    "fc7": ("fc7",),
    "score_fr": ("score_fr",),
    "score_pool4": ("score_pool4",),
    "score_pool3": ("score_pool3",),
    "upscore2_pool4": ("score2", "upscore2"),
    "upscore2_pool3": ("score4", "upscore_pool4", "upscore4"),
    "upscore8": ("upscore", "upscore8", "upsample"),
}
"""Our layers, each with its names in MatConvNet files."""

_FILTERS = ("f", "_filter")
_BIASES = ("b", "_bias")


def import_fcn8s(file: Path) -> keras.Model:
    """Build FCN-8s from a MatConvNet file.

    A layer without a bias in the file gets a bias of 0. Every other parameter must be present, and no others.

    Args:
        file: with the 21 classes of PASCAL VOC.

    Returns:
        A model as `keras_sister.segmentation.networks.fcn8s.published_fcn8s` builds it, with the file's weights.

    Raises:
        InputError: if the file cannot be read, or parameters are missing, unknown, or of another shape, naming them.

    Example:
        >>> import_fcn8s(Path("pascal-fcn8s-dag.mat"))(photos).shape  # photos: (1, 384, 384, 3)
        TensorShape([1, 384, 384, 21])
    """
    mean, parameters = _read(file)
    model = published_fcn8s(classes=len(VOC), filters=_filter_counts(file, parameters), mean=mean)
    problems: list[str] = []
    used: set[str] = set()
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel, bias = (_taken(parameters, layer.name, endings) for endings in (_FILTERS, _BIASES))
        if kernel is None:
            problems.append(f"no filters of {_NAMES[layer.name][0]}")
            continue
        found = {kernel[0]: _filters(layer, kernel[1])}
        if bias is not None:
            found[bias[0]] = bias[1].ravel()
        used |= found.keys()
        problems += [
            problem
            for pair, weight in zip(found.items(), layer.weights, strict=False)
            if (problem := _problem(*pair, weight))
        ]
        if not problems:
            layer.set_weights([*found.values(), np.zeros(layer.bias.shape, np.float32)][:2])
    problems += [f"{name} belongs to no layer" for name in parameters if name not in used]
    if problems:
        raise InputError(f"{file}: not the weights of an FCN-8s of PASCAL VOC: {'; '.join(problems)}.")
    return model


def _problem(name: str, value: np.ndarray, weight: Any) -> str | None:
    if value.shape != tuple(weight.shape):
        return f"{name} is {' × '.join(map(str, value.shape))}, not {' × '.join(map(str, weight.shape))}"
    return None if np.isfinite(value).all() else f"{name} has values that are not finite"


def _filter_counts(file: Path, parameters: dict[str, np.ndarray]) -> list[int]:
    """Number of filters of each layer; the published network has those of VGG16."""
    counts = []
    for layer in (*(f"block{block}_conv1" for block in range(1, 6)), "fc6", "fc7"):
        found = _taken(parameters, layer, _FILTERS)
        if found is None or found[1].ndim != 4:
            raise InputError(
                f"{file}: not an FCN-8s: no filters of {_NAMES[layer][0]}; it has {', '.join(parameters)}."
            )
        counts.append(found[1].shape[3])
    return counts


def _read(file: Path) -> tuple[tuple[float, float, float], dict[str, np.ndarray]]:
    """The mean colour and the parameters by name."""
    if not file.is_file():
        raise InputError(f"{file}: no such file.")
    content = read_apart(read_network, file)
    red, green, blue = map(float, content.pop("mean"))
    border = int(content.pop("border"))
    if border not in (-1, 100):
        raise InputError(f"{file}: an FCN with another layout: padding of {border} pixels, expected 100.")
    return (red, green, blue), {name.removeprefix("parameter "): value for name, value in content.items()}


def _taken(parameters: dict[str, np.ndarray], layer: str, endings: tuple[str, ...]) -> tuple[str, np.ndarray] | None:
    """A layer's parameter and the name under which it was found."""
    names = [alias + ending for alias in _NAMES[layer] for ending in endings]
    return next(((name, parameters[name]) for name in names if name in parameters), None)


def _filters(layer: Any, value: np.ndarray) -> np.ndarray:
    """Filters with four dimensions; MATLAB drops trailing dimensions of size 1."""
    value = value.reshape(value.shape + (1,) * (4 - value.ndim))
    if isinstance(layer, keras.layers.Conv2DTranspose) and value.shape[2] == 1:  # type: ignore[misc]
        # One filter per class, applied to that class only: the diagonal of our kernel.
        return value * np.eye(value.shape[3], dtype=np.float32)  # type: ignore[misc]
    return value
