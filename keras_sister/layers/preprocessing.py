"""Pixels as the networks of `keras.applications` were trained on them."""

from typing import Any

import keras
from keras import ops

_MODES = {
    # Channel order, what is subtracted, what is divided by. "caffe" is Blue, Green, Red without the ImageNet mean.
    "caffe": ((2, 1, 0), (103.939, 116.779, 123.68), 1.0),
    "tf": ((0, 1, 2), (127.5, 127.5, 127.5), 127.5),
}


@keras.saving.register_keras_serializable(package="keras_sister")
class ImageNetNormalization(keras.layers.Layer):
    """Normalise RGB pixels as `keras.applications` does, inside the model.

    Args:
        mode: ``caffe`` (ResNet, VGG): channels turned to BGR, the ImageNet mean subtracted; ``tf`` (ResNetV2): scaled
            to [−1, 1].

    Call arguments:
        inputs: tensor, shape (batch, height, width, 3), RGB, 0–255.

    Returns:
        Tensor of the same shape.

    Raises:
        ValueError: for another mode.
    """

    def __init__(self, mode: str = "caffe", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in _MODES:
            raise ValueError(f"Expected mode to be one of {list(_MODES)}. Received: mode={mode!r}")
        self.mode = mode

    def call(self, inputs: Any) -> Any:
        order, mean, scale = _MODES[self.mode]
        channels = ops.stack([inputs[..., channel] for channel in order], axis=-1)
        return (channels - ops.array(mean, channels.dtype)) / scale

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}
