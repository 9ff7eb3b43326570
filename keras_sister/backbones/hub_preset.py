"""Backbones from presets of KerasHub: the network, its weights, and how its image converter scales pixels."""

import difflib
import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import requests

from keras_sister.backbone_names import folder_hash, preset_folder, split_preset
from keras_sister.backbones.finite import check_finite
from keras_sister.backbones.hub_network import LEADING, HubNetwork, inner_model, keras_hub
from keras_sister.errors import InputError, reason_of, shortened
from keras_sister.layers import PixelNormalization
from keras_sister.layers.data_format import channels_last

_ANY_SIZE = ("DINOV2Backbone", "DINOV3Backbone")
"""Transformers that KerasHub builds for any size: their positions are interpolated, or computed."""

_VISION = "vision_encoder"
"""The part of SigLIP and CLIP that sees the image."""


def hub_feature_map(backbone: str, pixels: Any, *, size: int) -> Any:
    """Apply the network of a preset, with its weights.

    Args:
        backbone: ``keras_hub:`` and a preset's name, handle or folder, perhaps with the hash that was recorded.
        pixels: symbolic tensor, shape (batch, size, size, 3), RGB, 0–255.
        size: height and width of the images.

    Returns:
        Symbolic tensor, shape (batch, height, width, channels): the last feature map of a convolutional network; of a
        transformer the tokens of the patches, in their places.

    Raises:
        InputError: if KerasHub is missing; if the preset cannot be loaded, is no image backbone, or has changed; if it
            does not take images of this size; if its preprocessing is more than a scale and an offset per channel.
    """
    place = _place(backbone)
    normalization = _normalization(place)
    network = _load(place, size)
    check_finite(network, place)
    pixels = normalization(pixels)
    inner = inner_model(network)
    if all(type(layer).__module__.startswith("keras.") for layer in inner.layers):
        return inner(pixels)  # so that a saved model needs no KerasHub
    return _copy_of(network, place)(pixels)


@channels_last()
def check_preset(backbone: str) -> None:
    """Check a preset before the first photo is decoded, as far as its settings tell; a named one is downloaded.

    Raises:
        InputError: see `hub_feature_map`.
    """
    place = _place(backbone)
    _normalization(place)
    if not Path(place).is_dir():
        try:
            keras_hub().models.Backbone.from_preset(place)  # KerasHub downloads what it loads
        except Exception as error:
            raise _cannot_load(place, error) from error


def _place(backbone: str) -> str:
    """The preset's name, handle or folder, which exists and has the recorded content."""
    place, recorded = split_preset(backbone)
    if recorded is None:
        preset_folder(place)
        _check_named(place)
    elif not Path(place).is_dir():
        raise InputError(f"backbone: no such folder: {place}.")
    elif folder_hash(Path(place)) != recorded:
        raise InputError(f"{place}: changed since the run was started; restore it, or start another run with --out.")
    return place


def _normalization(place: str) -> PixelNormalization:
    """The layer that equals the preset's image converter without its size."""
    hub = keras_hub()
    levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1)
    images = np.concatenate([levels, levels[:, ::-1], levels[:, :, ::-1]], axis=-1)
    try:
        converter = hub.layers.ImageConverter.from_preset(place, dtype="float32")
        converter.image_size = None
        expected = _numpy(converter(images))
        scale, offset = (
            np.broadcast_to(np.asarray(neutral if value is None else value, np.float64), 3)
            for value, neutral in ((converter.scale, 1), (converter.offset, 0))
        )
    except Exception as error:  # many kinds, those of the Kaggle and Hugging Face libraries too
        raise _cannot_load(place, error) from error
    if scale.all():
        mean, std = (tuple(values.tolist()) for values in (-offset / scale, 1 / scale))
        layer = PixelNormalization(mean=mean, std=std, name="normalization")
        found = _numpy(layer(images))
        if found.shape == expected.shape and np.allclose(found, expected, rtol=1e-5, atol=1e-5):
            return layer
    raise InputError(
        f"keras_hub:{place}: its {type(converter).__name__} does more than a scale and an offset per channel, which"
        " cannot be copied."
    )


def _load(place: str, size: int) -> Any:
    """The image network of a preset, for images of this size."""
    hub = keras_hub()
    policy = keras.config.dtype_policy().name
    try:
        resized = {"image_shape": (size, size, 3)} if _takes_any_size(_class_of(place)) else {}
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="A total of")  # weights that are missing in the file
            network = hub.models.Backbone.from_preset(place, dtype=policy, **resized)
    except Exception as error:
        raise _cannot_load(place, error) from error
    network = getattr(network, _VISION, None) or network
    _check_size(network, place, size)
    return network


def _class_of(place: str) -> type:
    from keras_hub.src.utils.preset_utils import get_preset_loader  # there is no public name for it

    return get_preset_loader(place).check_backbone_class()


def _takes_any_size(kind: type) -> bool:
    return "image_shape" in inspect.signature(kind).parameters and (
        kind.__name__ not in LEADING or kind.__name__ in _ANY_SIZE
    )


def _check_size(network: Any, place: str, size: int) -> None:
    kind = type(network).__name__
    inputs, outputs = (getattr(network, ends, None) or [] for ends in ("inputs", "outputs"))
    has_map = kind in LEADING or (len(outputs) == 1 and len(outputs[0].shape) == 4)
    if len(inputs) != 1 or not has_map:
        raise InputError(
            f"keras_hub:{place}: {kind} has no single feature map; expected a convolutional network or one of"
            f" {', '.join(LEADING)}."
        )
    taken = inputs[0].shape[1:3]
    if taken != (size, size) and taken != (None, None):
        raise InputError(f"keras_hub:{place}: takes images of {taken[0]} × {taken[1]} pixels; use --size {taken[0]}.")
    if kind in _ANY_SIZE and size % network.patch_size:
        raise InputError(
            f"keras_hub:{place}: --size must be a multiple of its patch, {network.patch_size} pixels. Received: {size}"
        )


def _copy_of(network: Any, place: str) -> HubNetwork:
    """A network with its weights as a layer, without what only its pretraining used.

    Raises:
        InputError: if the layer would compute something else.
    """
    settings = {
        name: value for name, value in network.get_config().items() if name not in ("name", "trainable", "dtype")
    }
    if settings.get("use_mask_token"):
        settings["use_mask_token"] = False  # a weight without a gradient
    loaded = inner_model(network)
    try:
        copy = HubNetwork(type(network).__name__, json.loads(json.dumps(settings)), name="network")
        copy.inner.set_weights([_numpy(weight) for weight in loaded.weights if weight.name != "mask_token"])
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"keras_hub:{place}: cannot be copied: {reason_of(error)}.") from error
    pixels = np.random.default_rng(0).normal(0, 1, (1, *network.inputs[0].shape[1:])).astype(np.float32)
    expected, found = (_numpy(model(pixels, training=False)).astype(np.float32) for model in (loaded, copy.inner))
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-3):
        raise InputError(f"keras_hub:{place}: its copy computes something else.")
    return copy


def _check_named(place: str) -> None:
    """Refuse a name that the installed KerasHub does not know."""
    known = keras_hub().models.Backbone.presets
    if "://" in place or place in known or Path(place).is_dir():
        return
    near = difflib.get_close_matches(place[:80], known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise InputError(f"keras_hub:{shortened(place)}: not a preset of the installed keras-hub, and no folder.{hint}")


def _cannot_load(place: str, error: BaseException) -> InputError:
    reason = "no connection" if isinstance(error, requests.ConnectionError) else reason_of(error)
    if Path(place).is_dir():
        return InputError(f"keras_hub:{place}: not an image backbone that can be loaded: {reason}.")
    return InputError(
        f"keras_hub:{place}: cannot be loaded: {reason}. Without a connection to Kaggle or Hugging Face, download the"
        " preset elsewhere and give its folder: keras_hub:FOLDER."
    )


def _numpy(values: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(values)
