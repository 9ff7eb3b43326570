"""What every system begins with."""

from typing import Any

import keras

from keras_sister import backbones
from keras_sister.errors import InputError


def tower(view: str, network: str | keras.Model, *, weights: Any, size: int) -> tuple[Any, Any]:
    """A view of the photo, seen by a network of its own, as one vector: `feature_map`, pooled.

    The paper's 7×7 max pooling covers the whole last map at 224 pixels; here it is the maximum over the map at any
    size.

    Returns:
        The input (batch, size, size, 3), and the vector (batch, channels).
    """
    image, features = feature_map(view, network, weights=weights, size=size)
    return image, keras.layers.GlobalMaxPooling2D(name=f"{view}_pool")(features)


def feature_map(view: str, network: str | keras.Model, *, weights: Any, size: int) -> tuple[Any, Any]:
    """A view of the photo, seen by a network of its own.

    Args:
        view: what the input is called, ``photo`` or ``segmented``.
        network, weights, size: as `keras_sister.backbones.build` takes them.

    Returns:
        The input (batch, size, size, 3), and the network's last map (batch, height, width, channels).
    """
    image = keras.Input((size, size, 3), name=view)
    return image, backbones.build(network, size=size, weights=weights, name=f"{view}_tower")(image)


def check_equal_width(system: str, photo: Any, segmented: Any) -> None:
    """Refuse towers whose vectors cannot be joined element by element.

    Raises:
        InputError: naming both widths.
    """
    if photo.shape[-1] != segmented.shape[-1]:
        raise InputError(
            f"{system} joins its towers element by element: backbone gives {photo.shape[-1]} channels and small"
            f" {segmented.shape[-1]}. Choose two of one width, or sister_a."
        )
