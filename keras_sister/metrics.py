"""MACC as a Keras metric; `keras_sister.evaluation.scores` computes it from saved predictions."""

from typing import Any

import keras

from keras_sister.schema import UNKNOWN, Schema


@keras.saving.register_keras_serializable(package="keras_sister")
class AttributeAccuracy(keras.metrics.Metric):
    """MACC: the unweighted mean of the attributes' accuracies over all photos so far.

    Unknown labels are ignored, and attributes without a known label are left out of the mean. A logit of at least 0
    predicts the positive class of a binary attribute, the highest of k logits the class of a multi-class one.

    Source: Lim, Han and Lee, SisterNetwork (2018), which reports it as MACC.

    Args:
        schema: attributes and classes of labels and logits.

    Call arguments:
        y_true: int, shape (batch, attributes): class indices, −1 = unknown.
        y_pred: float, shape (batch, schema.n_logits): logits.
        sample_weight: float, shape (batch,): weight of each photo, 1 by default.

    Returns:
        ``result()`` is a scalar in [0, 1]; 0 before the first known label.

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
        labels = keras.ops.cast(y_true, "int32")
        known = keras.ops.cast(labels != UNKNOWN, self.dtype)
        if sample_weight is not None:
            known *= keras.ops.reshape(keras.ops.cast(sample_weight, self.dtype), (-1, 1))
        right = keras.ops.cast(labels == self._predict(keras.ops.convert_to_tensor(y_pred)), self.dtype)
        self.known.assign_add(keras.ops.sum(known, axis=0))
        self.right.assign_add(keras.ops.sum(known * right, axis=0))

    def result(self) -> Any:
        seen = keras.ops.cast(self.known > 0, self.dtype)
        accuracies = keras.ops.divide_no_nan(self.right, self.known)
        return keras.ops.sum(accuracies) / keras.ops.maximum(keras.ops.sum(seen), 1)

    def _predict(self, logits: Any) -> Any:
        """`Schema.predict`, inside a graph: int32 (batch, attributes)."""
        slices = self.schema.logit_slices
        columns = [
            keras.ops.cast(logits[:, slices[a.name].start] >= 0, "int32")
            if a.is_binary
            else keras.ops.cast(keras.ops.argmax(logits[:, slices[a.name]], axis=-1), "int32")
            for a in self.schema
        ]
        return keras.ops.stack(columns, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "schema": self.schema.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AttributeAccuracy":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})
