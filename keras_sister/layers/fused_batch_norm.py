"""Batch normalization in training as one operation of TensorFlow."""

from types import MethodType
from typing import Any

import keras


def fuse_batch_norm(model: keras.Model) -> None:
    """Let the batch normalization of a model train by TensorFlow's fused operation.

    Keras writes it out as separate operations, each of which reads and writes the whole feature map. The layers stay
    what they are, ``keras.layers.BatchNormalization``, with their weights, moving statistics and configuration: a saved
    model, inference and layers that are not trainable do not change. The results differ by rounding.

    On other backends than TensorFlow this does nothing. Layers of other subclasses, axes or ranks, with ``renorm`` or
    ``synchronized``, stay as they are.

    Args:
        model: built; layers of models inside it are included.
    """
    if keras.backend.backend() != "tensorflow":
        return
    for layer in model._flatten_layers():
        if _can_be_fused(layer):
            layer.call = MethodType(_call, layer)


def _can_be_fused(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.variable_dtype == "float32"
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
        and not (layer.renorm or layer.synchronized)
    )


def _call(layer: keras.layers.BatchNormalization, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """As ``keras.layers.BatchNormalization.call``."""
    if not (training and layer.trainable) or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    outputs, mean, variance = _normalize(layer, inputs)
    rest = 1 - layer.momentum
    layer.moving_mean.assign(layer.moving_mean * layer.momentum + mean * rest)
    layer.moving_variance.assign(layer.moving_variance * layer.momentum + variance * rest)
    return outputs


def _normalize(layer: keras.layers.BatchNormalization, inputs: Any) -> tuple[Any, Any, Any]:
    """The normalized map, and the mean and variance of each channel over this batch, float32."""
    import tensorflow as tf  # Keras has it loaded: it is the backend

    channels = inputs.shape[-1]
    none = tf.zeros([0])  # the operation takes moving statistics, but would update them in its own way
    outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.convert_to_tensor(layer.gamma) if layer.scale else tf.ones([channels]),
        offset=tf.convert_to_tensor(layer.beta) if layer.center else tf.zeros([channels]),
        mean=none,
        variance=none,
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The operation divides the sum of squares by n - 1 and not by n, as the variance that it normalizes with.
    n = tf.cast(tf.size(inputs) // channels, "float32")
    return outputs, mean, unbiased * ((n - 1) / n)
