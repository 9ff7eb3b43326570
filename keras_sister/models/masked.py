"""Masked pooling: one tower whose feature map is pooled over the person. Not in the paper."""

from pathlib import Path

import keras

from keras_sister.layers import AttributeLogits, MaskedAveragePooling2D, MaskedMaxPooling2D
from keras_sister.models.attribute_model import AttributeModel
from keras_sister.models.towers import feature_map, pool
from keras_sister.schema import Schema


def masked(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
    whole: bool = False,
) -> keras.Model:
    """The baseline on the whole photo, pooled over the person only.

    On synthetic photos it is between the baseline and Sister-A, at half the cost of Sister-A; docs/systems.md has the
    numbers.

    Args:
        schema: attributes and classes to predict.
        backbone, weights, size: see `keras_sister.backbones.build_backbone`.
        pooling: ``max``, as in the paper, or ``mean``.
        levels: ``last`` or ``all``, see `keras_sister.models.build`.
        whole: pool over the whole photo too, with 1,024 units for each, added as in Sister-A.

    Returns:
        A ``keras.Model``: ``photo`` (batch, size, size, 3), RGB, and ``mask`` (batch, size, size, 1), 255 = person,
        both 0–255, uint8 or float, to float32 logits (batch, schema.n_logits).

    Example:
        >>> model = masked(DCSA, backbone="resnet50")
        >>> model({"photo": photos, "mask": masks}).shape
        (8, 36)
    """
    photo, features = feature_map(
        "photo", backbone, weights=weights, size=size, pooling=pooling, levels=levels
    )  # (batch, height, width, channels)
    mask = keras.Input((size, size, 1), name="mask")
    whole_photo = pool("photo", pooling)
    person = MaskedMaxPooling2D if pooling == "max" else MaskedAveragePooling2D
    x = person(name="person_pool")([features, mask])
    x = keras.layers.Dense(1024, activation="relu", name="person_features")(x)
    if whole:
        photo_features = keras.layers.Dense(1024, activation="relu", name="photo_features")(whole_photo(features))
        x = keras.layers.Add(name="fusion")([photo_features, x])
    logits = AttributeLogits(schema, name="logits")(x)
    return AttributeModel({"photo": photo, "mask": mask}, logits, name="masked")
