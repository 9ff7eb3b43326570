"""The loss for binary and multi-class attributes with unknown labels."""

from typing import Any

import keras

from keras_sister.schema import UNKNOWN, Schema


@keras.saving.register_keras_serializable(package="keras_sister")
class MaskedAttributeLoss(keras.losses.Loss):
    """Cross-entropy of every known label: binary from one logit, categorical from k.

    The loss of a photo is the sum over its known labels, divided by the number of attributes in the schema. Every known
    label therefore has the same weight, and a photo with few known labels has a small loss. A photo without known
    labels has loss and gradient 0. The paper does not specify its loss.

    Args:
        schema: attributes and classes of labels and logits.
        reduction: how the photos' losses are reduced; the mean by default.

    Call arguments:
        y_true: int, shape (batch, attributes): class indices, −1 = unknown.
        y_pred: float, shape (batch, schema.n_logits): logits.

    Returns:
        float32 scalar; ``(batch,)`` with ``reduction=None``.

    Example:
        >>> model.compile("adam", loss=MaskedAttributeLoss(DCSA), metrics=[AttributeAccuracy(DCSA)])
    """

    def __init__(
        self,
        schema: Schema,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str = "masked_attribute_loss",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.schema = schema
        slices = schema.logit_slices
        self._binary = [i for i, a in enumerate(schema) if a.is_binary]
        self._binary_logits = [slices[a.name].start for a in schema if a.is_binary]
        self._multi = [(i, slices[a.name]) for i, a in enumerate(schema) if not a.is_binary]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = keras.ops.cast(y_true, "int32")
        logits = keras.ops.cast(y_pred, "float32")
        total = keras.ops.zeros_like(logits[:, 0])
        if self._binary:
            targets = keras.ops.take(labels, self._binary, axis=1)
            scores = keras.ops.take(logits, self._binary_logits, axis=1)
            total += keras.ops.sum(_where_known(targets, _binary_cross_entropy(targets, scores)), axis=1)
        for i, where in self._multi:
            total += _where_known(labels[:, i], _cross_entropy(labels[:, i], logits[:, where]))
        return total / len(self.schema)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "schema": self.schema.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MaskedAttributeLoss":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})


def _binary_cross_entropy(labels: Any, logits: Any) -> Any:
    labels = keras.ops.cast(keras.ops.maximum(labels, 0), "float32")
    return keras.ops.binary_crossentropy(labels, logits, from_logits=True)


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return keras.ops.sparse_categorical_crossentropy(keras.ops.maximum(labels, 0), logits, from_logits=True)


def _where_known(labels: Any, losses: Any) -> Any:
    return keras.ops.where(labels == UNKNOWN, 0.0, losses)
