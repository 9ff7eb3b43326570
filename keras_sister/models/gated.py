"""The gated systems of Table 3: Sister-A with a gate in place of the sum."""

from pathlib import Path

import keras

from keras_sister.layers import AttributeLogits, GatedFusion
from keras_sister.models.attribute_model import AttributeModel
from keras_sister.models.towers import check_equal_width, tower
from keras_sister.schema import Schema


def gated(
    schema: Schema,
    *,
    gate: str = "element",
    join: str = "add",
    pooled: bool = False,
    backbone: str | keras.Model = "resnet50",
    person_backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
) -> keras.Model:
    """Two towers, fused by a gate.

    The paper draws its gates in Figure 3 and does not define them. We apply them to the vectors of 1,024 units that
    Sister-A adds. With `pooled` they apply to the pooled vectors that Sister-B multiplies, without the dense layers.

    Source: Lim, Han and Lee, SisterNetwork (2018), Table 3 and Figure 3.

    Args:
        schema: attributes and classes to predict.
        gate: ``single``, one number per photo (*Single-value gate*); or ``element``, a vector (*Element-wise gate*).
        join: ``add`` or ``concat``: how the gated vectors are combined.
        pooled: gate the pooled vectors, which must then have equal widths.
        backbone: network of the whole-photo tower.
        person_backbone: network of the person tower.
        weights, size: see `keras_sister.backbones.build_backbone`.
        pooling: ``max``, as in the paper, or ``mean``.
        levels: ``last`` or ``all``, see `keras_sister.models.build`.

    Returns:
        A ``keras.Model``: ``photo`` and ``segmented``, both (batch, size, size, 3), RGB, 0–255, uint8 or float, to
        float32 logits (batch, schema.n_logits).

    Raises:
        InputError: if `pooled` is set and the towers have different widths.
        ValueError: for another `gate` or `join`.

    Example:
        >>> model = gated(DCSA, gate="single", join="concat")
    """
    photo, a = tower("photo", backbone, weights=weights, size=size, pooling=pooling, levels=levels)  # (batch, channels)
    segmented, b = tower(
        "segmented", person_backbone, weights=weights, size=size, pooling=pooling, levels=levels
    )  # (batch, person channels)
    if pooled:
        check_equal_width("gated", a, b)
    else:
        a = keras.layers.Dense(1024, activation="relu", name="photo_features")(a)
        b = keras.layers.Dense(1024, activation="relu", name="segmented_features")(b)
    x = GatedFusion(gate=gate, join=join, name="fusion")([a, b])
    logits = AttributeLogits(schema, name="logits")(x)
    return AttributeModel({"photo": photo, "segmented": segmented}, logits, name="gated")
