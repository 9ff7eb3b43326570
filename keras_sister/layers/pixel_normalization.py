"""Normalisation of pixels for pretrained networks."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_sister")
class PixelNormalization(keras.layers.Layer):
    """Subtract a mean and divide by a standard deviation, channel by channel: ``(x − mean) / std``.

    The layer computes in float32 under every dtype policy, so that pixels are never rounded.

    Args:
        mean: mean of red, green and blue, in pixel values (0–255).
        std: standard deviation of red, green and blue, in pixel values.
        bgr: reorder the channels to blue, green, red, as networks from Caffe expect.

    Call arguments:
        images: shape (batch, height, width, 3), RGB, 0–255, uint8 or float.

    Returns:
        float32 tensor of the same shape.

    Example:
        >>> PixelNormalization(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))(images)  # in [−1, 1]
    """

    def __init__(
        self,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        bgr: bool = False,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.bgr = bgr

    def call(self, images: Any) -> Any:
        mean, std = (keras.ops.array(values, dtype="float32") for values in (self.mean, self.std))
        x = (keras.ops.cast(images, "float32") - mean) / std
        return keras.ops.flip(x, axis=-1) if self.bgr else x

    def compute_output_spec(self, images: Any) -> keras.KerasTensor:
        return keras.KerasTensor(images.shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "std": self.std, "bgr": self.bgr}
