"""Sister-B: two towers, multiplied."""

from pathlib import Path

import keras

from keras_sister.models.towers import check_equal_width, tower
from keras_sister.schema import Schema


def sister_b(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The pooled vectors of both towers are multiplied element by element, without layers of 1,024 units, and scored.

    Source: Lim, Han and Lee, SisterNetwork (2018), *Sister-B* of Table 2.

    Args:
        schema: of the logits.
        backbone: the network of the photo.
        small: the network of the segmented photo, whose last map has as many channels as the backbone's.
        weights, size: as `keras_sister.backbones.build` takes them.

    Returns:
        A ``keras.Model``: ``photo`` and ``segmented``, both (batch, size, size, 3), RGB, 0–255, uint8 or float, to
        float32 logits (batch, schema.n_logits).

    Raises:
        InputError: if the towers give vectors of unequal width.

    Example:
        >>> model = sister_b(DCSA, backbone="resnet152")
        >>> model({"photo": photos, "segmented": segmented_photos}).shape
        (8, 36)
    """
    photo, a = tower("photo", backbone, weights=weights, size=size)  # (batch, channels)
    segmented, b = tower("segmented", small, weights=weights, size=size)  # (batch, channels)
    check_equal_width("sister_b", a, b)
    x = keras.layers.Multiply(name="fusion")([a, b])
    logits = keras.layers.Dense(schema.n_logits, dtype="float32", name="logits")(x)
    return keras.Model({"photo": photo, "segmented": segmented}, logits, name="sister_b")
