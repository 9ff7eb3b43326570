"""FCN-8s: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation" (CVPR 2015, arXiv
1411.4038)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sister.errors import InputError, reason_of
from keras_sister.layers import PixelNormalization
from keras_sister.layers.data_format import channels_last

CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Number of convolutions in each of VGG16's five blocks."""

FILTERS = (64, 128, 256, 512, 512, 4096, 4096)
"""Filters of the convolutions in each block, and of the two fully connected layers."""


@channels_last()
def fcn8s(
    *, classes: int = 21, width: float = 1.0, stride: int = 8, at_once: bool = False, weights: str = "none"
) -> keras.Model:
    """Build FCN-8s: a fully convolutional VGG16 whose scores are refined with pool4 and pool3.

    Convolutions are padded to keep the size of their map, and scores are cropped where an odd size was rounded up.
    `published_fcn8s` has the layout of the published weights, which costs six times the computation. Below full width,
    for which no pretrained weights exist, each convolution is followed by batch normalisation: without it the network
    does not learn from a few hundred photos.

    Args:
        classes: number of pixel classes; 21 for PASCAL VOC.
        width: fraction of the filters of every layer; 1/8 trains from scratch on a CPU.
        stride: 8 for FCN-8s; 32 or 16 for FCN-32s and FCN-16s, which the paper trains first. Layers that they share
            have the same names.
        at_once: multiply pool4 by 0.01 and pool3 by 0.0001, as the authors do when they train all strides at once.
            Ignored below full width, where batch normalisation makes it unnecessary.
        weights: initial weights of the VGG16 part: ``imagenet``, ``none`` (random), or a file of `keras.applications`
            VGG16 without its classifier. Below full width only ``none``.

    Returns:
        A model from images, (batch, height, width, 3), RGB, 0–255, of any size, to logits, float32 (batch, height,
        width, classes).

    Raises:
        InputError: if the weights cannot be loaded or downloaded, or do not fit the width.

    Example:
        >>> fcn8s(classes=2, width=1 / 8)(photos).shape
        TensorShape([4, 128, 128, 2])
    """
    if weights != "none" and width != 1:
        raise InputError(f"VGG16's weights fit at width 1 only, not at {width:g}: give --weights none.")
    if weights not in ("none", "imagenet") and not Path(weights).is_file():
        raise InputError(f"{weights}: no such file; --weights takes imagenet, none, or a file of VGG16's weights.")
    image = keras.Input((None, None, 3), name="image")
    x = PixelNormalization(mean=(123.68, 116.779, 103.939), std=(1, 1, 1), bgr=True, name="normalization")(image)
    filters = [round(width * count) for count in FILTERS]
    pools, x = _vgg16(x, filters, batch_normalization=width != 1)
    scales = (1e-2, 1e-4) if at_once and width == 1 else (1, 1)
    scores = _refined_scores(x, pools, classes, stride=stride, scales=scales, offsets=(1, 1), use_bias=False)
    scores = _upsampled(scores, stride, f"upscore{stride}")
    scores = CropTo(stride // 2, name="logits", dtype="float32")([scores, image])
    model = keras.Model(image, scores, name="fcn8s")
    if weights != "none":
        _load_vgg16(model, weights)
    return model


@channels_last()
def published_fcn8s(
    *, classes: int = 21, filters: Sequence[int] = FILTERS, mean: tuple[float, float, float]
) -> keras.Model:
    """Build FCN-8s in the layout of the published weights: the image is padded by 100 pixels, scores are cropped.

    Source: the authors' ``fcn-8s-pascal`` and MatConvNet's ``pascal-fcn8s-dag``.

    Args:
        classes: number of pixel classes.
        filters: filters of every layer, as in `FILTERS`.
        mean: mean of red, green and blue (0–255), subtracted from the pixels; the order of colours stays RGB, as in
            MatConvNet.

    Returns:
        A model with random weights; inputs and outputs are those of `fcn8s`.
    """
    image = keras.Input((None, None, 3), name="image")
    x = PixelNormalization(mean=mean, std=(1, 1, 1), name="normalization")(image)
    x = keras.layers.ZeroPadding2D(99, name="border")(x)  # the first convolution adds one more pixel
    pools, x = _vgg16(x, filters, batch_normalization=False, fc6_padding="valid")
    scores = _refined_scores(x, pools, classes, stride=8, scales=(1, 1), offsets=(5, 9), use_bias=True)
    scores = _upsampled(scores, 8, "upscore8", use_bias=True)
    return keras.Model(image, CropTo(31, name="logits", dtype="float32")([scores, image]), name="fcn8s")


@keras.saving.register_keras_serializable(package="keras_sister")
class CropTo(keras.layers.Layer):
    """Crop the first map to the height and width of the second.

    Args:
        offset: index of the first row and column to keep.

    Call arguments:
        inputs: two tensors, shape (batch, height, width, channels): the map to crop, and the reference.

    Returns:
        The cropped map, with the batch and channels of the first tensor, and the height and width of the second.
    """

    def __init__(self, offset: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.offset = offset

    def call(self, inputs: list[Any]) -> Any:
        scores, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return scores[:, self.offset : self.offset + height, self.offset : self.offset + width]

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        scores, reference = input_shape
        return (scores[0], *reference[1:3], scores[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "offset": self.offset}


@keras.saving.register_keras_serializable(package="keras_sister")
class Bilinear(keras.initializers.Initializer):
    """Kernel of a transposed convolution that upsamples each class by bilinear interpolation.

    Its shape is (2f, 2f, classes, classes) for a factor f: the outer product of two triangles on the diagonal of the
    classes, 0 elsewhere.
    """

    def __call__(self, shape: tuple, dtype: Any = None) -> Any:
        size, _, rows, columns = shape
        factor = size / 2
        triangle = 1 - np.abs(np.arange(size) - factor + 0.5) / factor
        kernel = np.outer(triangle, triangle)[:, :, None, None] * np.eye(rows, columns)
        return ops.convert_to_tensor(kernel, dtype=dtype)


def _vgg16(
    x: keras.KerasTensor, filters: Sequence[int], *, batch_normalization: bool, fc6_padding: str = "same"
) -> tuple[list[keras.KerasTensor], keras.KerasTensor]:
    """Outputs of the five pooling layers, 2 to 32 times smaller than the image, and of fc7.

    The layers of the blocks have their names in `keras.applications`.
    """
    pools = []
    for block, convolutions in enumerate(CONVOLUTIONS, start=1):
        for i in range(1, convolutions + 1):
            name = f"block{block}_conv{i}"
            x = _convolution(x, filters[block - 1], 3, name=name, batch_normalization=batch_normalization)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool")(x)
        pools.append(x)
    x = _convolution(x, filters[5], 7, name="fc6", batch_normalization=batch_normalization, padding=fc6_padding)
    x = keras.layers.Dropout(0.5, name="fc6_dropout")(x)
    x = _convolution(x, filters[6], 1, name="fc7", batch_normalization=batch_normalization)
    return pools, keras.layers.Dropout(0.5, name="fc7_dropout")(x)


def _refined_scores(
    x: keras.KerasTensor,
    pools: list[keras.KerasTensor],
    classes: int,
    *,
    stride: int,
    scales: tuple[float, float],
    offsets: tuple[int, int],
    use_bias: bool,
) -> keras.KerasTensor:
    """Scores of the coarsest map, refined with those of pool4 and pool3 until `stride` is reached."""
    scores = _score(x, classes, "score_fr")
    finer = zip((16, 8), ("pool4", "pool3"), (pools[3], pools[2]), scales, offsets, strict=True)
    for finer_stride, name, pool, scale, offset in finer:
        if stride <= finer_stride:
            scores = _upsampled(scores, 2, f"upscore2_{name}", use_bias=use_bias)
            if scale != 1:
                pool = keras.layers.Rescaling(scale, name=f"scale_{name}")(pool)
            pool = _score(pool, classes, f"score_{name}")
            # With a padded image the pool's map is the larger one, otherwise the upsampled scores are.
            pair = [pool, scores] if offset > 1 else [scores, pool]
            cropped = CropTo(offset, name=f"crop_{name}")(pair)
            scores = keras.layers.Add(name=f"fuse_{name}")([cropped, pair[1]])
    return scores


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, *, name: str, batch_normalization: bool, padding: str = "same"
) -> keras.KerasTensor:
    if not batch_normalization:
        return keras.layers.Conv2D(filters, kernel, padding=padding, activation="relu", name=name)(x)
    x = keras.layers.Conv2D(filters, kernel, padding=padding, use_bias=False, name=name)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _score(x: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
    """Class scores of a map, initially zero, so that a new stage starts with the output of the coarser one."""
    return keras.layers.Conv2D(classes, 1, kernel_initializer="zeros", name=name)(x)


def _upsampled(scores: keras.KerasTensor, factor: int, name: str, *, use_bias: bool = False) -> keras.KerasTensor:
    """Scores upsampled by a factor, with a margin of half the factor on each side."""
    return keras.layers.Conv2DTranspose(
        scores.shape[-1], 2 * factor, strides=factor, use_bias=use_bias, kernel_initializer=Bilinear(), name=name
    )(scores)


def _load_vgg16(model: keras.Model, weights: str) -> None:
    try:
        vgg16 = keras.applications.VGG16(include_top=False, weights=weights)
    except Exception as error:
        # keras.utils.get_file raises a plain Exception if a download fails, h5py an OSError if a file is not HDF5.
        if weights == "imagenet" and "URL fetch failure" not in str(error):
            raise
        raise InputError(
            "VGG16's weights cannot be downloaded. Give --weights none, or --weights FILE with the"
            " 'vgg16_…_notop.h5' of keras.applications."
            if weights == "imagenet"
            else f"{weights}: not the weights of VGG16 without its classifier: {reason_of(error)}"
        ) from error
    for layer in vgg16.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
