"""Sister-B: two towers, multiplied."""

import keras

from keras_sister.models.towers import scores, tower, two_alike, view
from keras_sister.schema import Schema


def sister_b(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Multiply what the two towers saw, element by element (Table 2, "Sister-B": 91.62 % MACC with ResNet-50 twice).

        photo ────── backbone ── max pool ──┐
                                            ⊙ ── logits
        segmented ── small ───── max pool ──┘

    Args and returns as `keras_sister.models.build`. The towers must end in equally many channels.

    Raises:
        InputError: if they do not.
    """
    photo, segmented = view("photo", size), view("segmented", size)
    whole = tower(photo, backbone=backbone, weights=weights)
    person = tower(segmented, backbone=small, weights=weights)
    fused = keras.layers.Multiply(name="fusion")(two_alike(whole, person))
    return keras.Model({"photo": photo, "segmented": segmented}, scores(fused, schema), name="sister_b")
