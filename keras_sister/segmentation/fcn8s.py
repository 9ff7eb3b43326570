"""FCN-8s: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation" (CVPR 2015, arXiv
1411.4038)."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sister.errors import InputError
from keras_sister.layers import PixelNormalization

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and convolutions of VGG16's five blocks."""

_FULLY_CONNECTED = 4096


def fcn8s(*, classes: int = 21, width: float = 1.0, weights: str = "none") -> keras.Model:
    """Build FCN-8s: VGG16 made fully convolutional, its scores refined from pool4 and pool3.

    Every convolution keeps the size of its map, and scores are cropped where an odd size was rounded up. (The published
    network pads the photo by 100 pixels and crops more; for whole photos of a few hundred pixels that costs six times
    the work.) Below full width, where there is nothing pretrained to start from, each convolution is followed by batch
    normalisation: without it the network does not learn from a few hundred photos.

    Args:
        classes: of pixels; 21 for PASCAL VOC.
        width: share of the filters of every layer; 1/8 trains from scratch on a CPU.
        weights: of the VGG16 part: ``imagenet``, ``none`` (random), or a file of `keras.applications` VGG16 without
            its classifier. Only at full width.

    Returns:
        A model: (batch, height, width, 3), RGB, 0–255, of any size, to logits, float32 (batch, height, width, classes).

    Raises:
        InputError: if the weights cannot be had, or are asked for at another width.

    Example:
        >>> fcn8s(classes=2, width=1 / 8)(photos).shape
        TensorShape([4, 128, 128, 2])
    """
    if weights != "none" and width != 1:
        raise InputError(f"VGG16's weights fit at width 1 only, not at {width:g}: give --weights none.")
    image = keras.Input((None, None, 3), name="image")
    pools = _vgg16(image, width)
    units = round(_FULLY_CONNECTED * width)
    x = _convolution(pools[4], units, 7, name="fc6", width=width)
    x = keras.layers.Dropout(0.5, name="fc6_dropout")(x)
    x = _convolution(x, units, 1, name="fc7", width=width)
    x = keras.layers.Dropout(0.5, name="fc7_dropout")(x)

    scores = _score(x, classes, "score_fr")
    scores = _refined(scores, pools[3], classes, "pool4")
    scores = _refined(scores, pools[2], classes, "pool3")
    scores = _upsampled(scores, 8, "upscore8")
    scores = CropTo(name="logits", dtype="float32")([scores, image])
    model = keras.Model(image, scores, name="fcn8s")
    if weights != "none":
        _load_vgg16(model, weights)
    return model


@keras.saving.register_keras_serializable(package="keras_sister")
class CropTo(keras.layers.Layer):
    """Crop the first map to the height and width of the second: (batch, height, width, channels)."""

    def call(self, inputs: list[Any]) -> Any:
        scores, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return scores[:, :height, :width]

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        scores, reference = input_shape
        return (scores[0], *reference[1:3], scores[3])


@keras.saving.register_keras_serializable(package="keras_sister")
class Bilinear(keras.initializers.Initializer):
    """The kernel with which a transposed convolution interpolates, each class by itself.

    Shape (2f, 2f, classes, classes) for a factor f: the outer product of two triangles, on the diagonal of the classes.
    """

    def __call__(self, shape: tuple, dtype: Any = None) -> Any:
        size, _, rows, columns = shape
        factor = size / 2
        triangle = 1 - np.abs(np.arange(size) - factor + 0.5) / factor
        kernel = np.outer(triangle, triangle)[:, :, None, None] * np.eye(rows, columns)
        return ops.convert_to_tensor(kernel, dtype=dtype)


def _vgg16(image: keras.KerasTensor, width: float) -> list[keras.KerasTensor]:
    """The outputs of the five pooling layers, 2 to 32 times smaller than the image; layers are named as in Keras."""
    x = PixelNormalization(mean=(123.68, 116.779, 103.939), std=(1, 1, 1), bgr=True, name="normalization")(image)
    pools = []
    for block, (filters, convolutions) in enumerate(_BLOCKS, start=1):
        for convolution in range(1, convolutions + 1):
            x = _convolution(x, round(filters * width), 3, name=f"block{block}_conv{convolution}", width=width)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool")(x)
        pools.append(x)
    return pools


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, *, name: str, width: float) -> keras.KerasTensor:
    if width == 1:
        return keras.layers.Conv2D(filters, kernel, padding="same", activation="relu", name=name)(x)
    x = keras.layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=name)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _score(x: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
    """Class scores of a map; zero at first, so that a new stage does not disturb the coarser one."""
    return keras.layers.Conv2D(classes, 1, kernel_initializer="zeros", name=name)(x)


def _upsampled(scores: keras.KerasTensor, factor: int, name: str) -> keras.KerasTensor:
    return keras.layers.Conv2DTranspose(
        scores.shape[-1],
        2 * factor,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(),
        name=name,
    )(scores)


def _refined(scores: keras.KerasTensor, pool: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
    """Scores at twice the size, corrected by those of the finer map."""
    coarse = CropTo(name=f"crop_{name}")([_upsampled(scores, 2, f"upscore2_{name}"), pool])
    return keras.layers.Add(name=f"fuse_{name}")([coarse, _score(pool, classes, f"score_{name}")])


def _load_vgg16(model: keras.Model, weights: str) -> None:
    if weights != "imagenet" and not Path(weights).is_file():
        raise InputError(f"{weights}: no such file; --weights takes imagenet, none, or a file of VGG16's weights.")
    try:
        vgg16 = keras.applications.VGG16(include_top=False, weights=weights)
    except Exception as error:
        # keras.utils.get_file raises a plain Exception for a failed download, h5py an OSError for no HDF5 file.
        if weights == "imagenet" and "URL fetch failure" not in str(error):
            raise
        raise InputError(
            "VGG16's weights cannot be downloaded. Give --weights none, or --weights FILE with the"
            " 'vgg16_…_notop.h5' of keras.applications."
            if weights == "imagenet"
            else f"{weights}: not the weights of VGG16 without its classifier: {str(error).strip().splitlines()[0]}"
        ) from error
    for layer in vgg16.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
