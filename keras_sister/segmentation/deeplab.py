"""DeepLab V3+, by KerasHub, over any backbone of this package or from one of KerasHub's presets.

Source: Chen, Zhu, Papandreou, Schroff and Adam, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
Segmentation" (ECCV 2018, arXiv:1802.02611).
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister import backbones
from keras_sister.errors import InputError
from keras_sister.layers import PixelNormalization
from keras_sister.pixel_classes import VOC
from keras_sister.segmentation.network_folder import NetworkSegmenter

try:
    import keras_hub
    from keras_hub.src.models.deeplab_v3 import deeplab_v3_layers
except ImportError as error:
    raise InputError("DeepLab comes from KerasHub: pip install 'keras-sister[deeplab]'.") from error

PRESET = "deeplab_v3_plus_resnet50_pascalvoc"
"""KerasHub's own, trained on PASCAL VOC and SBD: mean IoU 0.63 on VOC's validation photos, says KerasHub."""


class SpatialPyramidPooling(deeplab_v3_layers.SpatialPyramidPooling):
    """KerasHub's layer, which cannot be read from a file because shapes come back as lists.

    It must have the same name: the weights in the file are named after it.
    """

    def build(self, input_shape: Any) -> None:
        super().build(tuple(input_shape))


CUSTOM_OBJECTS = {"SpatialPyramidPooling": SpatialPyramidPooling}
"""What ``keras.saving.load_model`` has to know to read a DeepLab."""


def deeplab(*, classes: int, size: int, backbone: str = "resnet50", weights: str = "imagenet") -> keras.Model:
    """Build DeepLab V3+: atrous pyramid pooling at rates 6, 12 and 18, and a decoder from stride 4.

    Args:
        classes: of pixels.
        size: height and width of the photos, in pixels; a multiple of 32.
        backbone: a name in `keras_sister.config.BACKBONES`; a preset has its own.
        weights: of the backbone, as `keras_sister.backbones.build` takes them; or a preset of a whole DeepLab (see
            `from_preset`), of which all but the last convolution is taken.

    Returns:
        A model: (batch, size, size, 3), RGB, 0–255, to logits, float32 (batch, size, size, classes).

    Raises:
        InputError: for a size that is no multiple, or weights that cannot be had.

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


def from_preset(preset: str) -> NetworkSegmenter:
    """A segmenter from a preset of KerasHub that knows the 21 classes of PASCAL VOC.

    Args:
        preset: `PRESET`; a folder that ``save_to_preset`` made; or a handle, ``kaggle://…`` or ``hf://…``.

    Returns:
        A segmenter of photos of the preset's own size, or 512 pixels where it names none.

    Raises:
        InputError: if there is no such preset, it cannot be fetched, or it has other classes.
    """
    task = _task(preset)
    if task.num_classes != len(VOC):
        raise InputError(f"deeplab:{preset}: {task.num_classes} classes; expected the {len(VOC)} of PASCAL VOC.")
    size = (_converter(task).image_size or (512,))[0]
    _check_size(size)
    image = keras.Input((size, size, 3), name="image")
    logits = keras.Model(task.input, task.output)(_normalization(task)(image))
    model = keras.Model(image, keras.layers.Activation("linear", dtype="float32")(logits), name="deeplab")
    return NetworkSegmenter(model, size=size, classes=VOC, person=(VOC.index("person"),))


def _over_backbone(backbone: str, size: int, weights: str) -> keras.Model:
    encoder = backbones.build(backbone, size=size, weights=weights, name="encoder")
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
    """The last map of every size, by its level: P2 is four times smaller than the photo, P5 32 times."""
    levels = {encoder.input_shape[1] // 2**level: f"P{level}" for level in range(2, 6)}
    maps = [layer.output for layer in encoder.layers if len(layer.output.shape) == 4]
    return {levels[found.shape[1]]: found for found in maps if found.shape[1] in levels}


def _task(preset: str) -> Any:
    """A DeepLab of KerasHub, giving logits."""
    try:
        return keras_hub.models.DeepLabV3ImageSegmenter.from_preset(preset, activation=None)
    except Exception as error:
        # ValueError for what is no preset, and whatever the libraries of Kaggle and Hugging Face raise.
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise InputError(
            f"deeplab:{preset}: no DeepLab of KerasHub that can be had here: {reason}\n"
            f"Give the folder of a preset, such as {PRESET}, fetched elsewhere."
        ) from error


def _converter(task: Any) -> Any:
    return task.preprocessor.image_converter


def _normalization(task: Any) -> keras.layers.Layer:
    """The preset's own: x · scale + offset, written as (x − mean) / std."""
    converter = _converter(task)
    scale, offset = (
        np.broadcast_to(np.asarray(value, np.float64), 3)
        for value in (converter.scale if converter.scale is not None else 1, converter.offset or 0)
    )
    return PixelNormalization(mean=tuple(-offset / scale), std=tuple(1 / scale), name="normalization")
