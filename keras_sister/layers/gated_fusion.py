"""The gates of the paper's Table 3."""

from typing import Any

import keras

GATES = ("single", "element")
JOINS = ("add", "concat")


@keras.saving.register_keras_serializable(package="keras_sister")
class GatedFusion(keras.layers.Layer):
    """Weigh two vectors by a gate that depends on both.

    With ``σ`` the sigmoid, ``⊙`` the element-wise product, and ``[a; b]`` the concatenation::

        g = σ([a; b] · kernel + bias)
        add:     g ⊙ a + (1 − g) ⊙ b       (batch, channels)
        concat:  [g ⊙ a; (1 − g) ⊙ b]      (batch, 2 × channels)

    A *single* gate is one number per photo, kernel (2 × channels, 1); an *element* gate is a vector, kernel
    (2 × channels, channels).

    Source: Lim, Han and Lee, SisterNetwork (2018), Table 3 and Figure 3. The figure draws the gates and the text does
    not define them; this is our reading.

    Args:
        gate: ``single`` or ``element``.
        join: ``add`` or ``concat``.

    Call arguments:
        inputs: two tensors a and b, both (batch, channels).

    Raises:
        ValueError: for another `gate` or `join`, or vectors of different sizes.

    Example:
        >>> GatedFusion(gate="element", join="concat")([a, b]).shape  # a, b: (8, 1024)
        (8, 2048)
    """

    def __init__(self, *, gate: str, join: str = "add", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if gate not in GATES:
            raise ValueError(f"Expected gate to be one of {GATES}. Received: {gate=}")
        if join not in JOINS:
            raise ValueError(f"Expected join to be one of {JOINS}. Received: {join=}")
        self.gate = gate
        self.join = join

    def build(self, input_shape: Any) -> None:
        (_, channels), (_, channels_b) = input_shape
        if channels != channels_b:
            raise ValueError(f"Expected two vectors of one size. Received: {input_shape=}")
        gates = 1 if self.gate == "single" else channels
        self.kernel = self.add_weight(shape=(2 * channels, gates), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(gates,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        gated_a, gated_b = self._weighed(inputs)
        if self.join == "add":
            return gated_a + gated_b
        return keras.ops.concatenate([gated_a, gated_b], axis=-1)

    def gated(self, inputs: Any) -> tuple[Any, Any]:
        """What each vector adds to the output: two tensors of the output's shape, whose sum is the output."""
        gated_a, gated_b = self._weighed(inputs)
        if self.join == "add":
            return gated_a, gated_b
        nothing = keras.ops.zeros_like(gated_a)
        return keras.ops.concatenate([gated_a, nothing], axis=-1), keras.ops.concatenate([nothing, gated_b], axis=-1)

    def _weighed(self, inputs: Any) -> tuple[Any, Any]:
        a, b = inputs
        both = keras.ops.concatenate([a, b], axis=-1)
        g = keras.ops.sigmoid(keras.ops.matmul(both, self.kernel) + self.bias)
        return g * a, (1 - g) * b

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, Any]:
        (batch, channels), _ = input_shape
        return batch, channels if self.join == "add" else 2 * channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gate": self.gate, "join": self.join}
