"""Gates: how much each of two feature vectors has to say, decided from both."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_sister")
class SingleValueGate(keras.layers.Layer):
    """One weight for the whole photo:

        g = σ(w · [a, b] + c),    out = g·a + (1 − g)·b

    SisterNetwork (2018), Table 3, "Single-value gate"; the formula is our reading of its Figure 3.

    Call arguments:
        inputs: two tensors a and b, shape (batch, channels) each.

    Returns:
        Tensor, shape (batch, channels).

    Example:
        >>> SingleValueGate()([ops.ones((2, 8)), ops.zeros((2, 8))]).shape
        (2, 8)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = keras.layers.Dense(1, activation="sigmoid", dtype=self.dtype_policy, name="gate")

    def build(self, input_shape: list[tuple]) -> None:
        self.gate.build((input_shape[0][0], 2 * input_shape[0][-1]))

    def call(self, inputs: list[Any]) -> Any:
        a, b = inputs
        g = self.gate(ops.concatenate([a, b], axis=-1))
        return g * a + (1 - g) * b

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable(package="keras_sister")
class ElementwiseGate(keras.layers.Layer):
    """A weight for every feature:

        g = σ(W [a, b] + c),    out = g⊙a + (1 − g)⊙b    or    [g⊙a, (1 − g)⊙b]

    SisterNetwork (2018), Table 3, "Element-wise gate (Add)" and "(Concat)"; the formula is our reading of its Figure 3.

    Args:
        merge: ``add`` the gated halves, or ``concat``, side by side.

    Call arguments:
        inputs: two tensors a and b, shape (batch, channels) each.

    Returns:
        Tensor, shape (batch, channels) for ``add``, (batch, 2 · channels) for ``concat``.

    Raises:
        ValueError: for another `merge`.
    """

    def __init__(self, merge: str = "add", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if merge not in ("add", "concat"):
            raise ValueError(f"Expected merge to be 'add' or 'concat'. Received: merge={merge!r}")
        self.merge = merge

    def build(self, input_shape: list[tuple]) -> None:
        channels = input_shape[0][-1]
        self.gate = keras.layers.Dense(channels, activation="sigmoid", dtype=self.dtype_policy, name="gate")
        self.gate.build((input_shape[0][0], 2 * channels))

    def call(self, inputs: list[Any]) -> Any:
        a, b = inputs
        g = self.gate(ops.concatenate([a, b], axis=-1))
        halves = [g * a, (1 - g) * b]
        return ops.add(*halves) if self.merge == "add" else ops.concatenate(halves, axis=-1)

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        batch, channels = input_shape[0]
        return (batch, channels if self.merge == "add" else 2 * channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "merge": self.merge}
