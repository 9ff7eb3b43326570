"""Mirror images, inside a model."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_sister")
class MirrorImage(keras.layers.Layer):
    """Flips images from left to right.

    Call arguments:
        inputs: tensor, shape (batch, height, width, channels), of any dtype.

    Returns:
        Tensor of the same shape and dtype.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        return keras.ops.flip(inputs, axis=2)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)
