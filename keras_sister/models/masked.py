"""Masked: one tower, two views. Not in the paper."""

from pathlib import Path

import keras

from keras_sister.layers import MaskedMaxPooling2D
from keras_sister.models.towers import feature_map
from keras_sister.schema import Schema


def masked(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Look once and pool twice: the backbone's map is pooled over all and over the person, and fused as in Sister-A.

    Args:
        schema: of the logits.
        backbone, weights, size: as `keras_sister.backbones.build` takes them.

    Returns:
        A ``keras.Model``: ``photo`` (batch, size, size, 3), RGB, and ``mask`` (batch, size, size, 1), 255 = surely
        person, both 0–255, uint8 or float, to float32 logits (batch, schema.n_logits).

    Example:
        >>> model = masked(DCSA, backbone="resnet50")
        >>> model({"photo": photos, "mask": masks}).shape
        (8, 36)
    """
    photo, features = feature_map("photo", backbone, weights=weights, size=size)  # (batch, height, width, channels)
    mask = keras.Input((size, size, 1), name="mask")
    a = keras.layers.GlobalMaxPooling2D(name="photo_pool")(features)
    b = MaskedMaxPooling2D(name="person_pool")([features, mask])
    a = keras.layers.Dense(1024, activation="relu", name="photo_features")(a)
    b = keras.layers.Dense(1024, activation="relu", name="person_features")(b)
    x = keras.layers.Add(name="fusion")([a, b])
    logits = keras.layers.Dense(schema.n_logits, dtype="float32", name="logits")(x)
    return keras.Model({"photo": photo, "mask": mask}, logits, name="masked")
