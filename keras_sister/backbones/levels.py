"""All levels of a backbone: the maps of every size that it makes on its way to the last one."""

from typing import Any

import keras

from keras_sister.backbones.efficientnet_lite import LITE, level_layers
from keras_sister.errors import InputError

_POOLS = {"max": keras.layers.MaxPooling2D, "mean": keras.layers.AveragePooling2D}


def with_all_levels(backbone: keras.Model, network: str | keras.Model, *, pooling: str) -> keras.Model:
    """A backbone whose map has the channels of all its levels, from the whole photo's finest map to its last.

    The last map of each size is pooled to the cells of the very last map, and all are concatenated. A maximum over the
    result is one over each map, and so is a mean where the sizes divide each other.

    Args:
        backbone: what `keras_sister.backbones.build_backbone` returned; the result shares its layers.
        network: what it was built from.
        pooling: ``max`` or ``mean``.

    Returns:
        A ``keras.Model``: (batch, size, size, 3) to (batch, height, width, channels of all levels).

    Raises:
        InputError: if it makes maps of one size only, as a vision transformer does, or hides them, as KerasHub's do.

    Example:
        >>> resnet = build_backbone("resnet50", size=224, weights="none")
        >>> with_all_levels(resnet, "resnet50", pooling="max").output_shape
        (None, 7, 7, 3904)
    """
    inner = [layer for layer in backbone.layers if isinstance(layer, keras.Model)]
    if len(inner) == 1 and inner[0].output.shape == backbone.output.shape:  # a network of your own
        pixels = backbone.inputs[0]
        return keras.Model(pixels, with_all_levels(inner[0], network, pooling=pooling)(pixels), name=backbone.name)
    levels = _lite_levels(backbone, network) if network in LITE else _last_of_each_size(backbone)
    if not levels:
        raise InputError(f"levels: all needs a backbone that makes maps of several sizes; {network} has one to see.")
    last = backbone.output
    pooled = []
    for number, level in enumerate(levels):
        cell = 2 ** _halvings(level.shape[1], last.shape[1])
        layer = _POOLS[pooling](cell, padding="same", data_format="channels_last", name=f"level{number}_pool")
        pooled.append(layer(level))
    joined = keras.layers.Concatenate(name="levels")([*pooled, last])
    return keras.Model(backbone.inputs[0], joined, name=backbone.name)


def _lite_levels(backbone: keras.Model, network: str | keras.Model) -> list[Any]:
    """The ends of stages: the maps between them are wider, and computed from these."""
    return [backbone.get_layer(name).output for name in level_layers(str(network))]


def _last_of_each_size(backbone: keras.Model) -> list[Any]:
    """The last map of each size that halving makes of the photo's, but for the photo's own and the last map's."""
    size, last = backbone.inputs[0].shape[1], backbone.output.shape[1]
    found = {}
    for layer in backbone.layers:
        for tensor in keras.tree.flatten(layer.output):
            shape = tensor.shape
            is_map = len(shape) == 4 and shape[1] is not None and shape[1] == shape[2]
            if is_map and last < shape[1] < size and _halvings(shape[1], last):
                found[shape[1]] = tensor
    return [found[height] for height in sorted(found, reverse=True)]


def _halvings(height: int, last: int) -> int:
    """How often a height is halved, rounded up, until it is the last one; 0 if it never is."""
    count = 0
    while height > last:
        height, count = -(-height // 2), count + 1
    return count if height == last else 0
