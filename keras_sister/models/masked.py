"""Masked: one tower that is told where the person is. Not in the paper."""

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
    whole: bool = False,
) -> keras.Model:
    """The baseline, pooled over the person: the backbone looks at the whole photo, what lies behind does not count.

    On drawn photos this is as good as Sister-A at the cost of the baseline; docs/systems.md has the numbers, and what
    else was tried.

    Args:
        schema: of the logits.
        backbone, weights, size: as `keras_sister.backbones.build` takes them.
        whole: pool over the whole photo as well, with 1,024 units for each, added as in Sister-A.

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
    x = MaskedMaxPooling2D(name="person_pool")([features, mask])
    x = keras.layers.Dense(1024, activation="relu", name="person_features")(x)
    if whole:
        everything = keras.layers.GlobalMaxPooling2D(name="photo_pool")(features)
        everything = keras.layers.Dense(1024, activation="relu", name="photo_features")(everything)
        x = keras.layers.Add(name="fusion")([everything, x])
    logits = keras.layers.Dense(schema.n_logits, dtype="float32", name="logits")(x)
    return keras.Model({"photo": photo, "mask": mask}, logits, name="masked")
