"""A model in two halves: from the views to the towers' feature maps, and from the maps to the logits."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_sister.errors import InputError

_POOLS = {"photo_pool": "photo", "segmented_pool": "segmented", "person_pool": "photo"}
"""The pooling layer of each tower, and the view that the tower takes. In ``masked`` one tower has up to two."""


@dataclass(frozen=True)
class SplitModel:
    """The halves of a model.

    Attributes:
        lower: views to the tensors `between`, in a list.
        upper: that list to the logits (batch, n_logits).
        between: names of those tensors: for a feature map, (batch, height, width, channels), its view; and ``mask``
            where the upper half needs it.
        towers: the views that have a tower, in the order of the model's inputs.
    """

    lower: keras.Model
    upper: keras.Function
    between: tuple[str, ...]
    towers: tuple[str, ...]

    def maps(self, views: dict[str, Any]) -> dict[str, Any]:
        """The tensors `between`, by name, for a batch."""
        tensors = keras.tree.flatten(self.lower(views, training=False))  # of one Keras returns no list
        return dict(zip(self.between, tensors, strict=True))

    def logits(self, maps: dict[str, Any]) -> Any:
        """The logits for what `maps` returned."""
        return self.upper([maps[name] for name in self.between])


def split(model: keras.Model) -> SplitModel:
    """Split a model where its towers end. The halves share its weights.

    Raises:
        InputError: for a model without the towers that `keras_sister.models` builds.
    """
    between: dict[str, Any] = {}
    for layer in model.layers:
        if layer.name in _POOLS:
            received = layer.input
            features, *mask = received if isinstance(received, list | tuple) else [received]
            between[_POOLS[layer.name]] = features
            between |= dict(zip(["mask"], mask, strict=False))
    if not between:
        raise InputError(f"{model.name}: has no tower with a pooling layer; heat maps need a model of keras_sister.")
    inputs = {tensor.name: tensor for tensor in model.inputs}
    tensors = list(between.values())
    towers = tuple(view for view in inputs if view in between and view != "mask")
    # A second `keras.Model` that starts at an input of the first moves that input to a new node, and the first could no
    # longer be saved; a `Function` leaves the graph as it is. Its layers run as for prediction.
    return SplitModel(keras.Model(inputs, tensors), keras.Function(tensors, model.outputs[0]), tuple(between), towers)
