"""Sister-A: two towers, fused by addition."""

from pathlib import Path

import keras

from keras_sister.layers import AttributeLogits
from keras_sister.models.attribute_model import AttributeModel
from keras_sister.models.towers import tower
from keras_sister.schema import Schema


def sister_a(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    person_backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
) -> keras.Model:
    """A tower for the photo and a tower for the person on white; their 1,024 units are added.

    Source: Lim, Han and Lee, SisterNetwork (2018), *Sister-A* of Table 2.

    Args:
        schema: attributes and classes to predict.
        backbone: network of the whole-photo tower.
        person_backbone: network of the person tower.
        weights, size: see `keras_sister.backbones.build_backbone`.
        pooling: ``max``, as in the paper, or ``mean``.
        levels: ``last`` or ``all``, see `keras_sister.models.build`.

    Returns:
        A ``keras.Model``: ``photo`` and ``segmented``, both (batch, size, size, 3), RGB, 0–255, uint8 or float, to
        float32 logits (batch, schema.n_logits).

    Example:
        >>> model = sister_a(DCSA, backbone="resnet152")
        >>> model({"photo": photos, "segmented": segmented_photos}).shape
        (8, 36)
    """
    photo, a = tower("photo", backbone, weights=weights, size=size, pooling=pooling, levels=levels)  # (batch, channels)
    segmented, b = tower(
        "segmented", person_backbone, weights=weights, size=size, pooling=pooling, levels=levels
    )  # (batch, person channels)
    a = keras.layers.Dense(1024, activation="relu", name="photo_features")(a)
    b = keras.layers.Dense(1024, activation="relu", name="segmented_features")(b)
    x = keras.layers.Add(name="fusion")([a, b])
    logits = AttributeLogits(schema, name="logits")(x)
    return AttributeModel({"photo": photo, "segmented": segmented}, logits, name="sister_a")


def twin(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet101",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
) -> keras.Model:
    """Sister-A with the same backbone in both towers: the paper's symmetric twin. Otherwise like `sister_a`."""
    return sister_a(
        schema, backbone=backbone, person_backbone=backbone, weights=weights, size=size, pooling=pooling, levels=levels
    )
