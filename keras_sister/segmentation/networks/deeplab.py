"""DeepLab V3+ from KerasHub, on any backbone of this package, or from a KerasHub preset.

Source: Chen, Zhu, Papandreou, Schroff and Adam, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
Segmentation" (ECCV 2018, arXiv:1802.02611).
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister.backbones import build_backbone
from keras_sister.data.segmentation.classes import VOC
from keras_sister.errors import InputError, reason_of
from keras_sister.extras import missing_extra
from keras_sister.layers import PixelNormalization
from keras_sister.layers.data_format import channels_last

try:
    import keras_hub
    from keras_hub.src.models.deeplab_v3 import deeplab_v3_layers
except ImportError as error:
    raise missing_extra("DeepLab V3+ needs keras-hub", "deeplab") from error

PRESET = "deeplab_v3_plus_resnet50_pascalvoc"
"""KerasHub's preset, trained on PASCAL VOC and SBD. KerasHub reports a mean IoU of 0.63 on VOC's validation photos."""


class SpatialPyramidPooling(deeplab_v3_layers.SpatialPyramidPooling):
    """KerasHub's layer, but for two faults: it fails to load from a file because shapes come back as lists, and under
    mixed precision its output is float32, though it says otherwise.

    It keeps the name of KerasHub's class because the weights in the file are named after it.
    """

    def build(self, input_shape: Any) -> None:
        super().build(tuple(input_shape))

    def call(self, inputs: Any) -> Any:
        return keras.ops.cast(super().call(inputs), self.compute_dtype)


CUSTOM_OBJECTS = {"SpatialPyramidPooling": SpatialPyramidPooling}
"""The custom objects that ``keras.saving.load_model`` needs for a DeepLab."""


@channels_last()
def deeplab(*, classes: int, size: int, backbone: str = "resnet50", weights: str = "imagenet") -> keras.Model:
    """Build DeepLab V3+: atrous pyramid pooling at rates 6, 12 and 18, and a decoder from stride 4.

    Args:
        classes: number of pixel classes.
        size: height and width of the photos, in pixels; a multiple of 32.
        backbone: a name in `keras_sister.config.BACKBONES`; ignored if `weights` is a preset.
        weights: weights of the backbone, see `keras_sister.backbones.build_backbone`; or a preset of a whole DeepLab
            (see `deeplab_preset`), of which everything but the last convolution is used.

    Returns:
        A model: (batch, size, size, 3), RGB, 0–255, to logits, float32 (batch, size, size, classes).

    Raises:
        InputError: for a size that is not a multiple of 32, or weights that cannot be loaded.

    Example:
        >>> deeplab(classes=21, size=512).output_shape
        (None, 512, 512, 21)
    """
    _check_size(size)
    if weights == PRESET or "://" in weights or Path(weights).is_dir():
        task = _task(weights)
        normalized, features = _normalization(task), task.backbone
    else:
        normalized, features = keras.layers.Identity(), _over_backbone(backbone, size, weights)
    image = keras.Input((size, size, 3), name="image")
    # As a plain model: KerasHub's own class does not come back from a file when its encoder is not one of KerasHub.
    decoded = keras.Model(features.input, features.output, name="features")(normalized(image))
    logits = keras.layers.Conv2D(classes, 1, use_bias=False, dtype="float32", name="logits")(decoded)
    return keras.Model(image, logits, name="deeplab")


@channels_last()
def deeplab_preset(preset: str) -> keras.Model:
    """Load a KerasHub preset that has the 21 classes of PASCAL VOC.

    Args:
        preset: `PRESET`; a folder that ``save_to_preset`` made; or a handle, ``kaggle://…`` or ``hf://…``.

    Returns:
        A model like that of `deeplab`, at the preset's own size, or 512 pixels if it names none.

    Raises:
        InputError: if there is no such preset, it cannot be downloaded, or it has other classes.
    """
    task = _task(preset)
    if task.num_classes != len(VOC):
        raise InputError(f"deeplab:{preset}: {task.num_classes} classes; expected the {len(VOC)} of PASCAL VOC.")
    size = (_converter(task).image_size or (512,))[0]
    _check_size(size)
    image = keras.Input((size, size, 3), name="image")
    logits = keras.Model(task.input, task.output)(_normalization(task)(image))
    return keras.Model(image, keras.layers.Activation("linear", dtype="float32")(logits), name="deeplab")


def _over_backbone(backbone: str, size: int, weights: str) -> keras.Model:
    encoder = build_backbone(backbone, size=size, weights=weights, name="encoder")
    encoder.pyramid_outputs = _pyramid(encoder)
    coarsest = max(encoder.pyramid_outputs)
    return keras_hub.models.DeepLabV3Backbone(
        image_encoder=encoder,
        spatial_pyramid_pooling_key=coarsest,
        upsampling_size=2 ** (int(coarsest[1:]) - 2),
        dilation_rates=[6, 12, 18],
        low_level_feature_key="P2",
        projection_filters=48,
        image_shape=(size, size, 3),
    )


def _check_size(size: int) -> None:
    if size % 32:
        raise InputError(f"size must be a multiple of 32 for DeepLab. Received: {size}")


def _pyramid(encoder: keras.Model) -> dict[str, keras.KerasTensor]:
    """The last feature map of every level: P2 is four times smaller than the photo, P5 32 times."""
    levels = {encoder.input_shape[1] // 2**level: f"P{level}" for level in range(2, 6)}
    maps = [layer.output for layer in encoder.layers if len(layer.output.shape) == 4]
    return {levels[found.shape[1]]: found for found in maps if found.shape[1] in levels}


def _task(preset: str) -> Any:
    """A DeepLab of KerasHub with logits as output."""
    try:
        return keras_hub.models.DeepLabV3ImageSegmenter.from_preset(preset, activation=None)
    except Exception as error:
        # ValueError for an unknown preset, and any exception of the Kaggle and Hugging Face libraries.
        raise InputError(
            f"deeplab:{preset}: not a DeepLab preset that can be loaded here: {reason_of(error)}\n"
            f"Download a preset such as {PRESET} elsewhere and give its folder."
        ) from error


def _converter(task: Any) -> Any:
    return task.preprocessor.image_converter


def _normalization(task: Any) -> keras.layers.Layer:
    """The preset's normalisation, x · scale + offset, as (x − mean) / std."""
    converter = _converter(task)
    scale, offset = (
        np.broadcast_to(np.asarray(value, np.float64), 3)
        for value in (converter.scale if converter.scale is not None else 1, converter.offset or 0)
    )
    return PixelNormalization(mean=tuple(-offset / scale), std=tuple(1 / scale), name="normalization")
