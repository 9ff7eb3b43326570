"""Sister-A: two towers, added."""

from pathlib import Path

import keras

from keras_sister.models.towers import tower
from keras_sister.schema import Schema


def sister_a(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The backbone sees the photo, the small network the segmented photo; 1,024 units of each are added and scored.

    Source: Lim, Han and Lee, SisterNetwork (2018), *Sister-A* of Table 2.

    Args:
        schema: of the logits.
        backbone: the network of the photo.
        small: the network of the segmented photo.
        weights, size: as `keras_sister.backbones.build` takes them.

    Returns:
        A ``keras.Model``: ``photo`` and ``segmented``, both (batch, size, size, 3), RGB, 0–255, uint8 or float, to
        float32 logits (batch, schema.n_logits).

    Example:
        >>> model = sister_a(DCSA, backbone="resnet152")
        >>> model({"photo": photos, "segmented": segmented_photos}).shape
        (8, 36)
    """
    photo, a = tower("photo", backbone, weights=weights, size=size)  # (batch, channels)
    segmented, b = tower("segmented", small, weights=weights, size=size)  # (batch, channels of small)
    a = keras.layers.Dense(1024, activation="relu", name="photo_features")(a)
    b = keras.layers.Dense(1024, activation="relu", name="segmented_features")(b)
    x = keras.layers.Add(name="fusion")([a, b])
    logits = keras.layers.Dense(schema.n_logits, dtype="float32", name="logits")(x)
    return keras.Model({"photo": photo, "segmented": segmented}, logits, name="sister_a")


def twin(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet101",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Sister-A with the backbone as the small network too, the paper's symmetric twin. Otherwise as `sister_a`."""
    return sister_a(schema, backbone=backbone, small=backbone, weights=weights, size=size)
