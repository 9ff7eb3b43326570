"""A model made fast for serving: batch normalisation folded into the convolutions before it, perhaps in bfloat16."""

from typing import Any, cast

import keras
import numpy as np

from keras_sister.layers import PixelNormalization
from keras_sister.segmentation.network_folder import NetworkSegmenter
from keras_sister.segmentation.refined import Refined
from keras_sister.segmenter import Segmenter

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold(model: keras.Model, *, bfloat16: bool = False) -> keras.Model:
    """A copy of a functional model that gives the same answers with less work.

    Where a batch normalisation follows a convolution without activation, and nothing else looks at that convolution,
    its scale goes into the filters and its shift into the bias: γ·(w∗x + b − μ)/√(σ² + ε) + β is a convolution again.
    Functional models within the model, such as towers, are folded too. The weights of the given model stay as they are.

    Args:
        model: functional, trained.
        bfloat16: compute in bfloat16, with weights in float32; normalised pixels and the outputs stay in float32.

    Returns:
        A model of the same inputs and outputs.

    Example:
        >>> np.abs(fold(model)(views) - model(views)).max() < 1e-5
        True
    """
    folded = _foldable(model)
    outputs = set(model.output_names)

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if type(layer) is type(model):
            return fold(layer, bfloat16=bfloat16)
        if layer.name in folded:
            return keras.layers.Identity(name=layer.name, dtype="mixed_bfloat16" if bfloat16 else layer.dtype_policy)
        config = layer.get_config()
        if layer.name in folded.values():
            config["use_bias"] = True
        keeps_precision = layer.name in outputs or isinstance(layer, PixelNormalization | keras.Model)
        if bfloat16 and "dtype" in config and not keeps_precision:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    def call(layer: keras.layers.Layer, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
        return layer(*args, **kwargs)  # without the mask that batch normalisation takes and its stand-in does not

    fast = keras.models.clone_model(model, clone_function=copy, call_function=call)
    normalizations = {convolution: model.get_layer(name) for name, convolution in folded.items()}
    for layer in model.layers:
        if layer.name in normalizations:
            fast.get_layer(layer.name).set_weights(_folded_weights(layer, normalizations[layer.name]))
        elif layer.weights and layer.name not in folded and type(layer) is not type(model):
            fast.get_layer(layer.name).set_weights(layer.get_weights())
    return fast


def fold_segmenter(segmenter: Segmenter) -> Segmenter:
    """A segmenter that finds the same person with less work; the given one if its network has no batch normalisation.

    Args:
        segmenter: any; its weights stay as they are.
    """
    if isinstance(segmenter, Refined):
        inner = fold_segmenter(segmenter.segmenter)
        return Refined(inner, keep_largest=segmenter.keep_largest, margin=segmenter.margin)
    if isinstance(segmenter, NetworkSegmenter) and _normalizes(segmenter.model):
        size = cast(int, segmenter.size)
        return NetworkSegmenter(fold(segmenter.model), size=size, classes=segmenter.classes, person=segmenter.person)
    return segmenter


def _normalizes(model: keras.Model) -> bool:
    return any(
        isinstance(layer, keras.layers.BatchNormalization) or (isinstance(layer, keras.Model) and _normalizes(layer))
        for layer in model.layers
    )


def _foldable(model: keras.Model) -> dict[str, str]:
    """The batch normalisations that can be folded, by name, each with the convolution before it."""
    pairs: dict[str, str] = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.BatchNormalization) or layer.axis not in (-1, 3):
            continue
        before = _layer_before(layer)
        if (
            isinstance(before, _CONVOLUTIONS)
            and keras.activations.linear is before.activation
            and len(before._inbound_nodes) == len(before._outbound_nodes) == len(layer._inbound_nodes) == 1
            and before.name not in pairs.values()
        ):
            pairs[layer.name] = before.name
    return pairs


def _layer_before(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    nodes = layer._inbound_nodes  # Keras has no public way to ask what comes before a layer
    if len(nodes) != 1 or len(nodes[0].parent_nodes) != 1:
        return None
    return nodes[0].parent_nodes[0].operation


def _folded_weights(convolution: Any, normalization: Any) -> list[np.ndarray]:
    kernel, bias = (*convolution.get_weights(), 0.0)[:2]
    mean, variance = (
        keras.ops.convert_to_numpy(w).astype(np.float64)
        for w in (normalization.moving_mean, normalization.moving_variance)
    )
    gamma = keras.ops.convert_to_numpy(normalization.gamma) if normalization.scale else 1.0
    beta = keras.ops.convert_to_numpy(normalization.beta) if normalization.center else 0.0
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    # A depthwise kernel has its channels, and their multiples, in its last two dimensions.
    per_filter = scale.reshape(kernel.shape[2:]) if isinstance(convolution, keras.layers.DepthwiseConv2D) else scale
    return [(kernel * per_filter).astype(np.float32), ((bias - mean) * scale + beta).astype(np.float32)]
