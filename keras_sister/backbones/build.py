"""Build a backbone by name, or from a model of the user's own."""

import warnings
from pathlib import Path
from typing import Any

import keras

from keras_sister.backbone_names import is_file, is_preset, split_preset
from keras_sister.backbones.applications import APPLICATIONS, download, is_downloaded, last_feature_map
from keras_sister.backbones.efficientnet_lite import IMAGENET, LITE, efficientnet_lite, find_imagenet, load_pth
from keras_sister.backbones.finite import check_finite
from keras_sister.backbones.hub_preset import check_preset, hub_feature_map
from keras_sister.backbones.own import own_backbone
from keras_sister.backbones.resnet_mini import resnet_mini
from keras_sister.config import backbone_name
from keras_sister.errors import InputError, reason_of
from keras_sister.layers.data_format import channels_last
from keras_sister.storage.weight_files import OnBytes, WeightFile


@channels_last()
def build_backbone(
    network: str | Path | keras.Model,
    *,
    size: int,
    weights: str | Path | dict[str, str] = "imagenet",
    name: str = "backbone",
) -> keras.Model:
    """Build a network from raw pixels to its last feature map. Normalisation happens inside.

    Args:
        network: a name in `keras_sister.config.BACKBONES`, or any other of the installed ``keras.applications``; or a
            functional or sequential ``keras.Model`` of your own, or its ``.keras`` file, from raw RGB, 0–255,
            (batch, height, width, 3), to one feature map (batch, height, width, channels). Your model is copied with
            its weights, so that two towers built from it do not share weights; `weights` is then ignored. Or
            ``keras_hub:PRESET_OR_FOLDER``, an image backbone of KerasHub with the weights of its preset, see
            `keras_sister.backbones.hub_preset.hub_feature_map`; `weights` is ignored too.
        size: height and width of the input, in pixels, at least 32.
        weights: ``imagenet`` (downloaded and cached); ``none`` for random initialisation; a file, either
            ``….weights.h5``, one of ``keras.applications`` without top, or a ``.pth`` of EfficientNet-Lite; or a dict
            of backbone names and files.
        name: name of the returned model.

    Returns:
        A ``keras.Model``: (batch, size, size, 3) to (batch, height, width, channels).

    Raises:
        InputError: for an unknown name, weights that cannot be loaded, or a model of your own or a preset that cannot
            be copied or does not have one input image and one output map.

    Example:
        >>> build_backbone("resnet50", size=224, weights="none").output_shape
        (None, 7, 7, 2048)
    """
    pixels = keras.Input((size, size, 3), name="pixels")
    network = str(network) if isinstance(network, Path) else network
    if isinstance(network, keras.Model) or is_file(network):
        return keras.Model(pixels, own_backbone(network, size)(pixels), name=name)
    if is_preset(network):
        return keras.Model(pixels, hub_feature_map(network, pixels, size=size), name=name)
    network = backbone_name("backbone", network)
    source = _weights_of(network, weights)
    backbone = keras.Model(pixels, _feature_map(network, pixels, pretrained=source == "imagenet"), name=name)
    if source == "imagenet" and network in LITE:
        load_pth(backbone, find_imagenet(network), network)
    elif source not in ("imagenet", "none"):
        _load_weights(backbone, source, network)
    return backbone


def weight_file(network: str, weights: str | dict[str, str]) -> WeightFile | None:
    """The pinned file of a backbone's ImageNet weights, or None if ``keras.applications`` or a file has them.

    Args:
        network, weights: see `build_backbone`.

    Raises:
        InputError: if `weights` names files for other backbones only.
    """
    return IMAGENET[network] if network in IMAGENET and _weights_of(network, weights) == "imagenet" else None


def has_weights(network: str, weights: str | dict[str, str]) -> bool:
    """Whether a backbone's initial weights are on this machine already, as far as names of files tell.

    Args:
        network, weights: see `build_backbone`.

    Raises:
        InputError: if `weights` names files for other backbones only.
    """
    if is_preset(network):
        return Path(split_preset(network)[0]).is_dir()
    if is_file(network) or _weights_of(network, weights) != "imagenet":
        return True
    if network in IMAGENET:
        return IMAGENET[network].is_cached
    return network not in APPLICATIONS or is_downloaded(network)


@channels_last()
def fetch_weights(network: str, weights: str | dict[str, str], on_bytes: OnBytes) -> None:
    """Download a backbone's weights, so that `build_backbone` finds them in the cache; check a preset.

    Args:
        network, weights: see `build_backbone`.
        on_bytes: receives the progress. KerasHub, which downloads presets, tells none.

    Raises:
        InputError: if the weights or the preset are not available.

    Example:
        >>> fetch_weights("resnet50", "imagenet", lambda done, of: print(f"{done} of {of} bytes"))
    """
    if is_preset(network):
        check_preset(network)
    elif weight_file(network, weights):
        find_imagenet(network, on_bytes)
    elif network in APPLICATIONS and _weights_of(network, weights) == "imagenet":
        download(network, on_bytes)


def _feature_map(network: str, pixels: Any, *, pretrained: bool) -> Any:
    if network in APPLICATIONS:
        return last_feature_map(network, pixels, pretrained=pretrained)
    if network in LITE:
        return efficientnet_lite(network, pixels)
    if pretrained:
        raise InputError("resnet_mini has no ImageNet weights; use --weights none, or --weights FILE.")
    return resnet_mini(pixels)


def _weights_of(network: str, weights: str | Path | dict[str, str]) -> str | Path:
    if not isinstance(weights, dict):
        return weights
    if network not in weights:
        raise InputError(f"weights: no file for {network}, only for {', '.join(weights)}.")
    return weights[network]


def _load_weights(backbone: keras.Model, file: str | Path, network: str) -> None:
    if not Path(file).is_file():
        raise InputError(f"weights: no such file: {file}. Expected imagenet, none, or a weight file of {network}.")
    if Path(file).suffix == ".pth":
        if network not in LITE:
            raise InputError(f"{file}: {network} takes weights of Keras (.h5); .pth files are for {', '.join(LITE)}.")
        load_pth(backbone, Path(file), network)
        check_finite(backbone, file)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of a layer that is missing in the file
            backbone.load_weights(file)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise InputError(f"{file}: not the weights of {network} without top: {reason_of(error)}") from error
    check_finite(backbone, file)
