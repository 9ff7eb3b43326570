"""Tiny presets of KerasHub with random weights, as ``save_to_preset`` writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

SIZE = 32
PATCH = 8
_SMALL = {"patch_size": PATCH, "num_layers": 1, "hidden_dim": 8, "num_heads": 2}
_IMAGES = (SIZE, SIZE, 3)


def write_presets(folder: Path) -> None:
    """Write ``resnet``, ``mit``, ``vit``, ``dinov2`` and ``siglip`` for images of 32 pixels; ``dinov2`` is for 48."""
    keras.utils.set_random_seed(0)
    for name, network, converter in _presets():
        for weight in getattr(network, "vision_encoder", network).trainable_weights:
            weight.assign(weight + np.random.default_rng(0).normal(0, 0.1, weight.shape))  # no plain zeros and ones
        for part in (network, converter):
            part.save_to_preset(str(folder / name))


def _presets() -> Iterator[tuple[str, Any, Any]]:
    from keras_hub import layers, models

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    resnet = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
    )
    scale, offset = [1 / 255 / s for s in std], [-m / s for m, s in zip(mean, std, strict=True)]
    yield "resnet", resnet, layers.ResNetImageConverter(image_size=(SIZE, SIZE), scale=scale, offset=offset)
    mit = models.MiTBackbone(
        layerwise_depths=[1],
        num_layers=1,
        layerwise_num_heads=[1],
        layerwise_sr_ratios=[1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7],
        layerwise_strides=[4],
        hidden_dims=[8],
        image_shape=_IMAGES,
    )
    yield "mit", mit, layers.MiTImageConverter(image_size=(SIZE, SIZE), scale=1 / 255)
    vit = models.ViTBackbone(image_shape=_IMAGES, mlp_dim=16, **_SMALL)
    yield "vit", vit, layers.ViTImageConverter(image_size=(SIZE, SIZE), scale=1 / 127.5, offset=-1.0)
    dino = models.DINOV2Backbone(
        intermediate_dim=16,
        image_shape=(48, 48, 3),
        position_embedding_shape=(48, 48, 3),
        num_register_tokens=2,
        **_SMALL,
    )
    yield "dinov2", dino, layers.DINOV2ImageConverter(image_size=(48, 48), scale=1 / 255)
    siglip = models.SigLIPBackbone(
        vision_encoder=models.SigLIPVisionEncoder(intermediate_dim=16, image_shape=_IMAGES, **_SMALL),
        text_encoder=models.SigLIPTextEncoder(
            vocabulary_size=8, embedding_dim=8, hidden_dim=8, num_layers=1, num_heads=2, intermediate_dim=8
        ),
    )
    yield "siglip", siglip, layers.SigLIPImageConverter(image_size=(SIZE, SIZE), scale=1 / 127.5, offset=-1.0)
