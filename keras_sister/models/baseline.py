"""The base setting of the paper: one network, one view."""

from pathlib import Path

import keras

from keras_sister.models.towers import tower
from keras_sister.schema import Schema


def baseline(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    view: str = "photo",
) -> keras.Model:
    """One backbone, max-pooled, a layer of 1,024 units, scores.

    Source: Lim, Han and Lee, SisterNetwork (2018), base setting and *Baseline* of Table 2.

    Args:
        schema: of the logits.
        backbone, weights, size: as `keras_sister.backbones.build` takes them.
        view: what the network looks at and the input is called, ``photo`` or ``segmented``.

    Returns:
        A ``keras.Model``: ``{view: (batch, size, size, 3)}``, RGB, 0–255, uint8 or float, to float32 logits
        (batch, schema.n_logits).

    Example:
        >>> model = baseline(DCSA, backbone="resnet101")
        >>> model({"photo": photos}).shape
        (8, 36)
    """
    image, x = tower(view, backbone, weights=weights, size=size)  # (batch, channels)
    x = keras.layers.Dense(1024, activation="relu", name=f"{view}_features")(x)
    logits = keras.layers.Dense(schema.n_logits, dtype="float32", name="logits")(x)
    return keras.Model({view: image}, logits, name="baseline")


def segmented(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The baseline on the segmented photo: Table 1 of the paper. Arguments and answer as of `baseline`."""
    return baseline(schema, backbone=backbone, weights=weights, size=size, view="segmented")
