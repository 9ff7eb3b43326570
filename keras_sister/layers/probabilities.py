"""Named probabilities from logits, as a layer; `Schema.probabilities` does the same in NumPy."""

from typing import Any

import keras

from keras_sister.schema import Schema


@keras.saving.register_keras_serializable(package="keras_sister")
class AttributeProbabilities(keras.layers.Layer):
    """Convert logits to one named output per attribute.

    The layer computes in float32 under every dtype policy.

    Args:
        schema: attributes and classes, in the order of the logits.

    Call arguments:
        logits: float, shape (batch, schema.n_logits).

    Returns:
        By attribute name, float32: ``(batch,)`` the sigmoid of a binary attribute's logit, the probability of its
        positive class; ``(batch, k)`` the softmax of k logits.

    Example:
        >>> AttributeProbabilities(DCSA)(logits)["neckline"].shape
        (8, 3)
    """

    def __init__(self, schema: Schema, *, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.schema = schema

    def call(self, logits: Any) -> dict[str, Any]:
        logits = keras.ops.cast(logits, "float32")
        slices = self.schema.logit_slices
        return {
            a.name: keras.ops.sigmoid(logits[:, slices[a.name].start])
            if a.is_binary
            else keras.ops.softmax(logits[:, slices[a.name]], axis=-1)
            for a in self.schema
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "schema": self.schema.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AttributeProbabilities":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})
