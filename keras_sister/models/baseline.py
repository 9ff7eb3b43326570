"""The paper's base setting: one backbone, one view."""

from pathlib import Path

import keras

from keras_sister.layers import AttributeLogits
from keras_sister.models.attribute_model import AttributeModel
from keras_sister.models.towers import tower
from keras_sister.schema import Schema


def baseline(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
    view: str = "photo",
) -> keras.Model:
    """One backbone, max pooling, a dense layer of 1,024 units, logits.

    Source: Lim, Han and Lee, SisterNetwork (2018), base setting: *Baseline* of Table 2, and with
    ``view="segmented"`` the systems of Table 1.

    Args:
        schema: attributes and classes to predict.
        backbone, weights, size: see `keras_sister.backbones.build_backbone`.
        pooling: ``max``, as in the paper, or ``mean``.
        levels: ``last`` or ``all``, see `keras_sister.models.build`.
        view: name of the input, ``photo`` or ``segmented``.

    Returns:
        A ``keras.Model``: ``{view: (batch, size, size, 3)}``, RGB, 0–255, uint8 or float, to float32 logits
        (batch, schema.n_logits).

    Example:
        >>> model = baseline(DCSA, backbone="resnet101")
        >>> model({"photo": photos}).shape
        (8, 36)
    """
    image, x = tower(view, backbone, weights=weights, size=size, pooling=pooling, levels=levels)  # (batch, channels)
    x = keras.layers.Dense(1024, activation="relu", name=f"{view}_features")(x)
    logits = AttributeLogits(schema, name="logits")(x)
    return AttributeModel({view: image}, logits, name="baseline")
