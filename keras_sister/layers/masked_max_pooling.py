"""Max pooling over the person's part of a feature map."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_sister")
class MaskedMaxPooling2D(keras.layers.Layer):
    """Global max pooling over the cells of a feature map that show the person.

    The mask is resized to the map, bilinear and antialiased; a cell shows the person from one half on. If no cell does,
    because no person was found or the person is too small, the whole map is pooled.

    Call arguments:
        inputs: a map (batch, height, width, channels), and a mask (batch, rows, columns, 1) of any size, uint8 or
            float, 0–255, 255 = person.

    Returns:
        Tensor (batch, channels), of the map's dtype.

    Example:
        >>> MaskedMaxPooling2D()([features, masks]).shape
        (8, 2048)
    """

    def call(self, inputs: tuple[Any, Any]) -> Any:
        features, mask = inputs
        _, height, width, _ = features.shape
        share = keras.ops.cast(mask, "float32") / 255
        share = keras.ops.image.resize(share, (height, width), antialias=True, data_format="channels_last")
        person = share >= 0.5
        nobody = keras.ops.logical_not(keras.ops.any(person, axis=(1, 2), keepdims=True))
        least = keras.ops.cast(-65504, features.dtype)  # of float16, so that it is finite everywhere
        return keras.ops.max(keras.ops.where(keras.ops.logical_or(person, nobody), features, least), axis=(1, 2))

    def compute_output_shape(self, input_shape: tuple[Any, Any]) -> tuple[Any, Any]:
        features, _ = input_shape
        return features[0], features[-1]
