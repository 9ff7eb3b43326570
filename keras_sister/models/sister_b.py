"""Sister-B: two towers, fused by multiplication."""

from pathlib import Path

import keras

from keras_sister.layers import AttributeLogits
from keras_sister.models.attribute_model import AttributeModel
from keras_sister.models.towers import check_equal_width, tower
from keras_sister.schema import Schema


def sister_b(
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    person_backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
) -> keras.Model:
    """A tower for the photo and a tower for the person on white; their pooled vectors are multiplied.

    The product is element-wise (Hadamard), and there are no dense layers of 1,024 units.

    Source: Lim, Han and Lee, SisterNetwork (2018), *Sister-B* of Table 2.

    Args:
        schema: attributes and classes to predict.
        backbone: network of the whole-photo tower.
        person_backbone: network of the person tower, with as many channels as `backbone`.
        weights, size: see `keras_sister.backbones.build_backbone`.
        pooling: ``max``, as in the paper, or ``mean``.
        levels: ``last`` or ``all``, see `keras_sister.models.build`.

    Returns:
        A ``keras.Model``: ``photo`` and ``segmented``, both (batch, size, size, 3), RGB, 0–255, uint8 or float, to
        float32 logits (batch, schema.n_logits).

    Raises:
        InputError: if the towers have different widths.

    Example:
        >>> model = sister_b(DCSA, backbone="resnet152")
        >>> model({"photo": photos, "segmented": segmented_photos}).shape
        (8, 36)
    """
    photo, a = tower("photo", backbone, weights=weights, size=size, pooling=pooling, levels=levels)  # (batch, channels)
    segmented, b = tower(
        "segmented", person_backbone, weights=weights, size=size, pooling=pooling, levels=levels
    )  # (batch, channels)
    check_equal_width("sister_b", a, b)
    x = keras.layers.Multiply(name="fusion")([a, b])
    logits = AttributeLogits(schema, name="logits")(x)
    return AttributeModel({"photo": photo, "segmented": segmented}, logits, name="sister_b")
