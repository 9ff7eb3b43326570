"""One tower on one view: the paper's base setting."""

import keras

from keras_sister.models.towers import hidden, scores, tower, view
from keras_sister.schema import Schema


def baseline(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The base setting on the whole photo (Table 2, "Baseline": 91.40 % MACC with ResNet-50).

        photo ── backbone ── max pool ── dense 1024, ReLU ── logits

    Args and returns as `keras_sister.models.build`; `small` is not used.
    """
    return _one_tower("baseline", "photo", schema, backbone=backbone, weights=weights, size=size)


def segmented(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The base setting on the segmented photo (Table 1: 91.06 % MACC with FCN-White and ResNet-50).

        segmented ── backbone ── max pool ── dense 1024, ReLU ── logits

    Args and returns as `keras_sister.models.build`; `small` is not used.
    """
    return _one_tower("segmented", "segmented", schema, backbone=backbone, weights=weights, size=size)


def _one_tower(
    system: str, name: str, schema: Schema, *, backbone: str, weights: str | dict[str, str], size: int
) -> keras.Model:
    image = view(name, size)
    features = tower(image, backbone=backbone, weights=weights)
    logits = scores(hidden(features, name="hidden"), schema)
    return keras.Model({name: image}, logits, name=system)
