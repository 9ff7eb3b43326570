"""The loss for binary and multi-class attributes with unknown labels."""

from typing import Any

import keras

from keras_sister.errors import InputError
from keras_sister.labels import read_batch, read_weights
from keras_sister.schema import Schema


@keras.saving.register_keras_serializable(package="keras_sister")
class MaskedAttributeLoss(keras.losses.Loss):
    """Cross-entropy of every known label: binary from one logit, categorical from k.

    The loss of a photo is the sum over its known labels, divided by the number of attributes in the schema. Every known
    label therefore has the same weight, and a photo with few known labels has a small loss. A photo without known
    labels has loss and gradient 0. The paper does not specify its loss.

    Args:
        schema: attributes and classes of labels and logits.
        reduction: how the photos' losses are reduced, as in `keras.losses.Loss`; the mean by default.

    Call arguments:
        y_true: numbers, shape (batch, attributes): class indices; NaN or any negative number is unknown. ``(batch,)``
            as well for a schema of one attribute.
        y_pred: float, shape (batch, schema.n_logits): logits.
        sample_weight: None, or numbers ≥ 0: a weight per photo, shape (batch,), or per label, (batch, attributes).

    Returns:
        float32 scalar; ``(batch,)`` with ``reduction=None``. NaN for a logit that is not finite, and for an invalid
        label where the backend cannot raise (see `keras_sister.labels`).

    Raises:
        InputError: for labels, logits or weights of another shape; for labels that are no class index, such as
            fractions or indices past the last class.

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

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch. Weights per label, which Keras does not have, reach `call` with the labels."""
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        weights = read_weights(self.schema, sample_weight)
        if len(keras.ops.shape(sample_weight)) == 1:
            return super().__call__(y_true, y_pred, weights[:, 0])
        if self.reduction == "mean_with_sample_weight":
            raise InputError("reduction='mean_with_sample_weight' needs sample_weight of shape (batch,).")
        return super().__call__((y_true, weights), y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of every photo: float32 (batch,). `y_true` is the labels, or the labels and their weights."""
        labels, weights = y_true if isinstance(y_true, tuple) else (y_true, None)
        batch = read_batch(self.schema, labels, y_pred)
        weights = batch.known if weights is None else batch.known * weights
        total = batch.fault
        if self._binary:
            targets = keras.ops.take(batch.labels, self._binary, axis=1)
            scores = keras.ops.take(batch.logits, self._binary_logits, axis=1)
            losses = _binary_cross_entropy(targets, scores)
            total += keras.ops.sum(keras.ops.take(weights, self._binary, axis=1) * losses, axis=1)
        for i, where in self._multi:
            total += weights[:, i] * _cross_entropy(batch.labels[:, i], batch.logits[:, where])
        return total / len(self.schema)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "schema": self.schema.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MaskedAttributeLoss":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})


def _binary_cross_entropy(labels: Any, logits: Any) -> Any:
    return keras.ops.binary_crossentropy(keras.ops.cast(labels, "float32"), logits, from_logits=True)


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
