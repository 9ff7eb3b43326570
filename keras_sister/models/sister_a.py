"""Sister-A: two towers of different size, added behind a fully connected layer each."""

import keras

from keras_sister.models.towers import hidden, scores, tower, view
from keras_sister.schema import Schema


def sister_a(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Look at the photo twice and add what was seen (Table 2, "Sister-A": 91.91 % MACC with ResNet-152 and ResNet-50).

        photo ────── backbone ── max pool ── dense 1024, ReLU ──┐
                                                                + ── logits
        segmented ── small ───── max pool ── dense 1024, ReLU ──┘

    Args and returns as `keras_sister.models.build`.
    """
    photo, segmented = view("photo", size), view("segmented", size)
    whole = hidden(tower(photo, backbone=backbone, weights=weights), name="photo_hidden")
    person = hidden(tower(segmented, backbone=small, weights=weights), name="segmented_hidden")
    fused = keras.layers.Add(name="fusion")([whole, person])
    return keras.Model({"photo": photo, "segmented": segmented}, scores(fused, schema), name="sister_a")


def twin(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Sister-A with the backbone in both towers (91.59 % MACC with ResNet-101: the asymmetry pays).

    Args and returns as `keras_sister.models.build`; `small` is not used.
    """
    model = sister_a(schema, backbone=backbone, small=backbone, weights=weights, size=size)
    return keras.Model(model.input, model.output, name="twin")
