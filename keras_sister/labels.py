"""One reading of labels, logits and weights for the loss and the metric, on every Keras backend.

A label is a class index, or unknown: NaN or any negative number. Anything else is refused. Shapes are known before the
graph runs, so a wrong one always raises. Values are known only when it runs: a wrong one raises where the backend can
raise there (eager mode everywhere, TensorFlow's graphs too), and makes the loss and the metric NaN where it cannot (JAX
and XLA). It never becomes a number that looks right.
"""

import sys
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_sister.errors import InputError, quoted
from keras_sister.schema import Schema


class Batch(NamedTuple):
    """A batch, read by `read_batch`.

    Attributes:
        labels: int32 (batch, attributes): class indices, 0 where unknown.
        known: float32 (batch, attributes): 1, or 0 where unknown.
        logits: float32 (batch, n_logits).
        fault: float32 (batch,): 0, or NaN for a photo with an invalid label or a logit that is not finite.

    What is float32 is float64 for logits in float64.
    """

    labels: Any
    known: Any
    logits: Any
    fault: Any


def read_batch(schema: Schema, y_true: Any, y_pred: Any) -> Batch:
    """Read the labels and logits that Keras hands to a loss or a metric.

    Args:
        schema: attributes and classes.
        y_true: numbers, shape (batch, attributes); ``(batch,)`` as well for a schema of one attribute.
        y_pred: float, shape (batch, schema.n_logits).

    Raises:
        InputError: for another shape; where the backend can raise, for an invalid label, too.
    """
    logits = keras.ops.convert_to_tensor(y_pred)
    precision = "float64" if keras.backend.standardize_dtype(logits.dtype) == "float64" else "float32"
    logits = keras.ops.cast(logits, precision)
    if _rank(logits, "logits") != 2 or logits.shape[1] not in (None, schema.n_logits):
        raise InputError(f"Expected logits of shape (batch, {schema.n_logits}). Received: shape={tuple(logits.shape)}")
    logits = _of_width(logits, schema.n_logits)
    values = _labels(schema, y_true)
    _check_number(values, logits, "labels")
    known = values >= 0  # false for NaN
    classes = keras.ops.convert_to_tensor([float(len(attribute.classes)) for attribute in schema], dtype="float32")
    is_index = keras.ops.logical_and(values < classes, values == keras.ops.floor(values))
    valid = keras.ops.logical_or(keras.ops.logical_not(known), is_index)
    _raise_unless(valid, values, schema, "label", "a class index, or NaN or a negative number for unknown")
    labels = keras.ops.where(keras.ops.logical_and(known, is_index), values, 0.0)
    sound = keras.ops.logical_and(keras.ops.all(valid, axis=1), keras.ops.all(keras.ops.isfinite(logits), axis=1))
    fault = keras.ops.cast(keras.ops.where(sound, 0.0, float("nan")), precision)
    return Batch(keras.ops.cast(labels, "int32"), keras.ops.cast(known, precision), logits, fault)


def read_weights(schema: Schema, sample_weight: Any, y_pred: Any) -> Any:
    """Read the weights of a batch.

    Args:
        schema: attributes and classes.
        sample_weight: finite numbers ≥ 0, shape (batch,) or (batch, attributes).
        y_pred: the logits, whose number of photos the weights must have.

    Returns:
        float32, shape (batch, 1) or (batch, attributes); NaN for an invalid weight.

    Raises:
        InputError: for another shape; where the backend can raise, for an invalid weight, too.
    """
    weights = keras.ops.cast(keras.ops.convert_to_tensor(sample_weight), "float32")
    if _rank(weights, "sample_weight") == 1:
        weights = weights[:, None]
    elif _rank(weights, "sample_weight") != 2 or weights.shape[1] not in (None, len(schema)):
        raise InputError(
            f"Expected sample_weight of shape (batch,) or (batch, {len(schema)})."
            f" Received: shape={tuple(weights.shape)}"
        )
    else:
        weights = _of_width(weights, len(schema))
    _check_number(weights, keras.ops.convert_to_tensor(y_pred), "sample_weight")
    valid = keras.ops.logical_and(weights >= 0, keras.ops.isfinite(weights))
    _raise_unless(valid, weights, schema, "sample_weight", "a finite number of at least 0")
    return keras.ops.where(valid, weights, float("nan"))


def _labels(schema: Schema, y_true: Any) -> Any:
    """Labels as float32 (batch, attributes), which holds every class index exactly."""
    values = keras.ops.cast(keras.ops.convert_to_tensor(y_true), "float32")
    if _rank(values, "labels") == 1 and len(schema) == 1:
        values = values[:, None]
    if len(values.shape) != 2 or values.shape[1] not in (None, len(schema)):
        raise InputError(
            f"Expected labels of shape (batch, {len(schema)}), a class index for each of"
            f" {quoted(', '.join(schema.names))}. Received: shape={tuple(values.shape)}"
        )
    return _of_width(values, len(schema))


def _rank(values: Any, what: str) -> int:
    try:
        return len(values.shape)
    except ValueError as error:  # TensorFlow's, whose pipelines may know nothing of a shape
        raise InputError(
            f"Expected {what} of known rank. Received: shape=<unknown>; give Dataset.from_generator an output_signature"
        ) from error


def _of_width(values: Any, width: int) -> Any:
    """Values of known width; a graph of TensorFlow that does not know it checks it when it runs."""
    if values.shape[1] is None and keras.backend.backend() == "tensorflow":
        tf: Any = sys.modules["tensorflow"]
        return tf.ensure_shape(values, (None, width))
    return values


def _check_number(values: Any, logits: Any, what: str) -> None:
    """Refuse those of fewer or more photos than there are logits: one photo's would be used for all."""
    photos, expected = values.shape[0], logits.shape[0] if len(logits.shape) else None
    if None not in (photos, expected) and photos != expected:
        raise InputError(f"Expected {what} of as many photos as logits, {expected}. Received: {photos}")


def _raise_unless(valid: Any, values: Any, schema: Schema, what: str, expected: str) -> None:
    """Raise for the first value that is not valid; do nothing where the backend cannot raise."""
    names = schema.names if values.shape[1] == len(schema) else ["each photo"]
    try:
        faults = [(row, i) for row, i in zip(*(~keras.ops.convert_to_numpy(valid)).nonzero(), strict=True)]
        found = keras.ops.convert_to_numpy(values)
    except (TypeError, NotImplementedError, AttributeError, RuntimeError):  # a symbol of a graph, not an array
        if keras.backend.backend() == "tensorflow":
            _assert_in_graph(valid, values, names, what, expected)
        return
    for row, i in faults:
        classes = f", from 0 to {len(schema.attributes[i].classes) - 1}" if what == "label" else ""
        raise InputError(
            f"row {row}: the {what} of '{names[i]}' is {found[row, i]:g}; expected {expected}{classes}, in an array of"
            f" shape (batch, {values.shape[1]})."
        )


def _assert_in_graph(valid: Any, values: Any, names: list[str], what: str, expected: str) -> None:
    """The same in a TensorFlow graph. TensorFlow is the backend, so it is loaded; XLA leaves assertions out."""
    tf: Any = sys.modules["tensorflow"]
    sound = tf.unstack(tf.reduce_all(valid, axis=0), len(names))
    largest = tf.unstack(tf.reduce_max(tf.where(valid, -np.inf, values), axis=0), len(names))
    shape = f"in an array of shape (batch, {len(names)})"
    for name, holds, value in zip(names, sound, largest, strict=True):
        text = f"the {what} of {name} is invalid; expected {expected}, {shape}. Received:"
        # Without the branch that `tf.debugging.Assert` adds, of which TensorFlow's optimizer warns.
        tf.raw_ops.Assert(condition=holds, data=[text, value])
