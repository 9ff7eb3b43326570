"""Towers: an input view, a backbone, and max pooling."""

from typing import Any

import keras

from keras_sister.backbones import build_backbone
from keras_sister.backbones.levels import with_all_levels
from keras_sister.config import LEVELS, POOLINGS
from keras_sister.errors import InputError, check_choice


def tower(
    view: str, network: str | keras.Model, *, weights: Any, size: int, pooling: str = "max", levels: str = "last"
) -> tuple[Any, Any]:
    """An input view and the vector that its backbone and global pooling, ``max`` or ``mean``, make of it.

    The paper's 7×7 max pooling covers the whole last feature map at 224 pixels; here it covers the map at any size.

    Returns:
        The input (batch, size, size, 3), and the vector (batch, channels).
    """
    image, features = feature_map(view, network, weights=weights, size=size, pooling=pooling, levels=levels)
    return image, pool(view, pooling)(features)


def pool(view: str, pooling: str) -> keras.layers.Layer:
    """The layer that pools a feature map over the whole photo."""
    kind = keras.layers.GlobalMaxPooling2D if pooling == "max" else keras.layers.GlobalAveragePooling2D
    return kind(data_format="channels_last", name=f"{view}_pool")


def feature_map(
    view: str, network: str | keras.Model, *, weights: Any, size: int, pooling: str = "max", levels: str = "last"
) -> tuple[Any, Any]:
    """An input view and the last feature map of its backbone, or the maps of all levels at its size.

    Args:
        view: name of the input, ``photo`` or ``segmented``.
        network, weights, size: see `keras_sister.backbones.build_backbone`.
        pooling, levels: see `keras_sister.models.build`.

    Returns:
        The input (batch, size, size, 3), and the feature map (batch, height, width, channels).
    """
    check_choice("pooling", pooling, POOLINGS)
    check_choice("levels", levels, LEVELS)
    image = keras.Input((size, size, 3), name=view)
    backbone = build_backbone(network, size=size, weights=weights, name=f"{view}_tower")
    if levels == "all":
        backbone = with_all_levels(backbone, network, pooling=pooling)
    return image, backbone(image)


def check_equal_width(system: str, photo: Any, segmented: Any) -> None:
    """Refuse vectors that cannot be combined element by element.

    Raises:
        InputError: naming both widths.
    """
    if photo.shape[-1] != segmented.shape[-1]:
        raise InputError(
            f"{system} combines its towers element by element: backbone has {photo.shape[-1]} channels and"
            f" person_backbone {segmented.shape[-1]}. Choose two of the same width, or sister_a."
        )
