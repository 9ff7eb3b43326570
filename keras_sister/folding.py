"""Fold batch normalisation into convolutions, for faster inference."""

from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional  # Keras has no public name for it

from keras_sister.layers import PixelNormalization
from keras_sister.layers.state import copy_state

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_batch_norm(model: keras.Model, *, bfloat16: bool = False) -> keras.Model:
    """Copy a functional model so that it computes the same outputs with less work.

    Where batch normalisation follows a convolution without activation whose output has no other use, its scale goes
    into the kernel and its shift into the bias: γ·(w∗x + b − μ)/√(σ² + ε) + β is a convolution again. Functional models
    inside the model, such as towers, are folded too. Subclasses of these layers, which may compute something else, stay
    as they are, and so do layers with LoRA or quantized weights. The given model does not change.

    Args:
        model: a trained functional model.
        bfloat16: compute in bfloat16 with float32 weights; normalised pixels and the outputs stay float32.

    Returns:
        A model with the same inputs and outputs.

    Example:
        >>> np.abs(fold_batch_norm(model)(views) - model(views)).max() < 1e-5
        True
    """
    folded = _foldable(model)
    outputs = set(model.output_names)

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, Functional):
            return fold_batch_norm(layer, bfloat16=bfloat16)
        if layer.name in folded:
            return keras.layers.Identity(name=layer.name, dtype="mixed_bfloat16" if bfloat16 else layer.dtype_policy)
        config = layer.get_config()
        if layer.name in folded.values():
            config["use_bias"] = True
        if bfloat16 and layer.name not in outputs and _has_float_policy(layer):
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    def call(layer: keras.layers.Layer, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
        return layer(*args, **kwargs)  # batch normalisation accepts a mask, Identity does not

    fast = keras.models.clone_model(model, clone_function=copy, call_function=call)
    normalizations = {convolution: model.get_layer(name) for name, convolution in folded.items()}
    for layer in model.layers:
        if layer.name in normalizations:
            fast.get_layer(layer.name).set_weights(_folded_weights(layer, normalizations[layer.name]))
        elif layer.weights and layer.name not in folded and not isinstance(layer, Functional):
            copy_state(layer, fast.get_layer(layer.name))
    return fast


def has_batch_norm(model: keras.Model) -> bool:
    """Whether a model, or a model inside it, has batch normalisation."""
    return any(
        isinstance(layer, keras.layers.BatchNormalization) or (isinstance(layer, keras.Model) and has_batch_norm(layer))
        for layer in model.layers
    )


def _has_float_policy(layer: Any) -> bool:
    """Whether a layer may compute in bfloat16: not an operation, whose dtype is that of its output, nor a model."""
    if not isinstance(layer, keras.layers.Layer) or isinstance(layer, PixelNormalization | keras.Model):
        return False
    return layer.dtype_policy.quantization_mode is None


def _foldable(model: keras.Model) -> dict[str, str]:
    """Names of the batch normalisation layers that can be folded, each with the convolution before it."""
    pairs: dict[str, str] = {}
    ends = [tensor._keras_history.operation for tensor in model.outputs]
    for layer in model.layers:
        if type(layer) is not keras.layers.BatchNormalization or layer.axis not in (-1, 3):
            continue
        before: Any = _layer_before(layer)
        if (
            type(before) in _CONVOLUTIONS
            and keras.activations.linear is before.activation
            and before not in ends
            and len(before.weights) == 1 + before.use_bias  # LoRA has more
            and len(before._inbound_nodes) == len(before._outbound_nodes) == len(layer._inbound_nodes) == 1
            and before.name not in pairs.values()
        ):
            pairs[layer.name] = before.name
    return pairs


def _layer_before(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    nodes = layer._inbound_nodes  # Keras has no public API for the previous layer
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
