"""The last layer of every model, which carries the schema."""

from typing import Any

import keras

from keras_sister.schema import Schema


@keras.saving.register_keras_serializable(package="keras_sister")
class AttributeLogits(keras.layers.Dense):
    """A dense layer with one logit per binary attribute and k logits per attribute of k classes.

    The layer keeps its schema, so a saved model knows the names of its attributes and classes; see
    `keras_sister.models.schema_of`. It computes in float32 under every dtype policy.

    Args:
        schema: the attributes, in the order of the logits.

    Call arguments:
        inputs: float tensor, shape (batch, features).

    Returns:
        float32 tensor, shape (batch, schema.n_logits).

    Example:
        >>> AttributeLogits(DCSA)(features).shape  # features: (8, 1024)
        (8, 36)
    """

    def __init__(self, schema: Schema, *, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(schema.n_logits, dtype=dtype, **kwargs)
        self.schema = schema

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["units"]
        return {**config, "schema": self.schema.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AttributeLogits":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})
