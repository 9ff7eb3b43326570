"""The gated sisters of Table 3: Sister-A with a gate where it adds."""

from pathlib import Path

import keras

from keras_sister.layers import GatedFusion
from keras_sister.models.towers import check_equal_width, tower
from keras_sister.schema import Schema


def gated(
    schema: Schema,
    fusion: keras.layers.Layer,
    *,
    pooled: bool = False,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Two towers, joined by a gate, and scored.

    The paper draws its gates and does not define them. We read them as gates on what Sister-A adds, the vectors of
    1,024 units; `pooled` gates what Sister-B multiplies, the pooled vectors, and leaves those layers out.

    Source: Lim, Han and Lee, SisterNetwork (2018), Table 3 and Figure 3.

    Args:
        schema: of the logits.
        fusion: takes two tensors (batch, channels) and gives one, such as a `keras_sister.layers.GatedFusion`.
        pooled: gate the pooled vectors, which must then be of one width, instead of 1,024 units of each.
        backbone: the network of the photo.
        small: the network of the segmented photo.
        weights, size: as `keras_sister.backbones.build` takes them.

    Returns:
        A ``keras.Model``: ``photo`` and ``segmented``, both (batch, size, size, 3), RGB, 0–255, uint8 or float, to
        float32 logits (batch, schema.n_logits).

    Raises:
        InputError: if `pooled` and the towers give vectors of unequal width.

    Example:
        >>> model = gated(DCSA, GatedFusion(gate="single", join="concat"))
    """
    photo, a = tower("photo", backbone, weights=weights, size=size)  # (batch, channels)
    segmented, b = tower("segmented", small, weights=weights, size=size)  # (batch, channels of small)
    if pooled:
        check_equal_width("gated", a, b)
    else:
        a = keras.layers.Dense(1024, activation="relu", name="photo_features")(a)
        b = keras.layers.Dense(1024, activation="relu", name="segmented_features")(b)
    x = fusion([a, b])
    logits = keras.layers.Dense(schema.n_logits, dtype="float32", name="logits")(x)
    return keras.Model({"photo": photo, "segmented": segmented}, logits, name="gated")


def gate_single(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """*Single-value gate*: one number g weighs the two vectors of a photo, ``g·a + (1 − g)·b``. Else as `gated`."""
    fusion = GatedFusion(gate="single", join="add", name="fusion")
    return gated(schema, fusion, backbone=backbone, small=small, weights=weights, size=size)


def gate_add(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """*Element-wise gate (Add)*: a vector g, ``g ⊙ a + (1 − g) ⊙ b``. Else as `gated`."""
    fusion = GatedFusion(gate="element", join="add", name="fusion")
    return gated(schema, fusion, backbone=backbone, small=small, weights=weights, size=size)


def gate_concat(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """*Element-wise gate (Concat)*: ``[g ⊙ a; (1 − g) ⊙ b]``, end to end. Else as `gated`."""
    fusion = GatedFusion(gate="element", join="concat", name="fusion")
    return gated(schema, fusion, backbone=backbone, small=small, weights=weights, size=size)
