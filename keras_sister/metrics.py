"""MACC as a Keras metric; `keras_sister.evaluation.scores` computes it from saved predictions."""

from typing import Any

import keras
import numpy as np

from keras_sister.labels import read_batch, read_weights
from keras_sister.schema import Schema


@keras.saving.register_keras_serializable(package="keras_sister")
class AttributeAccuracy(keras.metrics.Metric):
    """MACC: the unweighted mean of the attributes' accuracies over all photos so far.

    Unknown labels are ignored, and attributes without a known label are left out of the mean. A logit of at least 0
    predicts the positive class of a binary attribute, the highest of k logits the class of a multi-class one.

    Source: Lim, Han and Lee, SisterNetwork (2018), which reports it as MACC.

    Args:
        schema: attributes and classes of labels and logits.

    Call arguments:
        y_true: numbers, shape (batch, attributes): class indices; NaN or any negative number is unknown. ``(batch,)``
            as well for a schema of one attribute.
        y_pred: float, shape (batch, schema.n_logits): logits.
        sample_weight: None, or numbers ≥ 0: a weight per photo, shape (batch,), or per label, (batch, attributes).

    Returns:
        ``result()`` is a scalar in [0, 1]; 0 before the first known label; NaN after a logit that is not finite, and
        after an invalid label where the backend cannot raise (see `keras_sister.labels`).

    Raises:
        InputError: for labels, logits or weights of another shape; for labels that are no class index, such as
            fractions or indices past the last class.

    Example:
        >>> metric = AttributeAccuracy(DCSA)
        >>> metric.update_state(labels, logits)
        >>> float(metric.result())
        0.914
    """

    _direction = "up"  # where Keras's callbacks look, so that those on ``val_macc`` maximise it

    def __init__(self, schema: Schema, *, name: str = "macc", dtype: Any = "float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self.schema = schema
        self.right = self.add_variable(shape=(len(schema),), initializer="zeros", name="right")
        self.known = self.add_variable(shape=(len(schema),), initializer="zeros", name="known")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        batch = read_batch(self.schema, y_true, y_pred)
        weights = batch.known
        if sample_weight is not None:
            weights = weights * read_weights(self.schema, sample_weight, batch.logits)
        right = keras.ops.cast(batch.labels == self._predict(batch.logits), weights.dtype)
        hits = keras.ops.sum(weights * right + batch.fault[:, None], axis=0)
        self.known.assign_add(keras.ops.cast(keras.ops.sum(weights, axis=0), self.dtype))
        self.right.assign_add(keras.ops.cast(hits, self.dtype))

    def result(self) -> Any:
        seen = keras.ops.cast(self.known > 0, self.dtype)
        accuracies = keras.ops.divide_no_nan(self.right, self.known)
        return keras.ops.sum(accuracies) / keras.ops.maximum(keras.ops.sum(seen), 1)

    def _predict(self, logits: Any) -> Any:
        """`Schema.predict`, inside a graph: int32 (batch, attributes)."""
        slices = list(self.schema.logit_slices.values())
        binary = [i for i, attribute in enumerate(self.schema) if attribute.is_binary]
        others = [i for i in range(len(self.schema)) if i not in binary]
        columns = []
        if binary:
            scores = keras.ops.take(logits, [slices[i].start for i in binary], axis=1)
            columns.append(keras.ops.cast(scores >= 0, "int32"))
        if others:  # all at once: slices of each attribute are most of what there is to trace
            most = max(slices[i].stop - slices[i].start for i in others)
            least = keras.ops.pad(logits, ((0, 0), (0, 1)), constant_values=float("-inf"))
            classes = [range(slices[i].start, slices[i].stop) for i in others]
            padded = [[*own, *[self.schema.n_logits] * (most - len(own))] for own in classes]
            columns.append(keras.ops.cast(keras.ops.argmax(keras.ops.take(least, padded, axis=1), axis=-1), "int32"))
        return keras.ops.take(keras.ops.concatenate(columns, axis=1), np.argsort(binary + others), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "schema": self.schema.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AttributeAccuracy":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})
