"""Two towers whose share in the answer a gate decides, photo by photo."""

import keras

from keras_sister.layers import ElementwiseGate, SingleValueGate
from keras_sister.models.towers import scores, tower, two_alike, view
from keras_sister.schema import Schema


def gate_single(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """One number for the photo weighs its two views (Table 3, "Single-value gate": 90.12 % MACC, ResNet-50 twice).

        photo ────── backbone ── max pool ──┐
                                           gate ── logits
        segmented ── small ───── max pool ──┘

    The paper's Figure 3 draws its gates without defining them. Our reading: they stand where Sister-B multiplies, on
    the pooled vectors.

    Args and returns as `keras_sister.models.build`. The towers must end in equally many channels.

    Raises:
        InputError: if they do not.
    """
    gate = SingleValueGate(name="gate")
    return _gated("gate_single", gate, schema, backbone=backbone, small=small, weights=weights, size=size)


def gate_add(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """A number for each feature weighs the views, which are added (Table 3, "Element-wise gate (Add)": 90.32 % MACC).

    Drawing, args, returns and errors as `gate_single`.
    """
    gate = ElementwiseGate("add", name="gate")
    return _gated("gate_add", gate, schema, backbone=backbone, small=small, weights=weights, size=size)


def gate_concat(
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The same with the gated halves side by side (Table 3, "Element-wise gate (Concat)": 90.43 % MACC).

    Drawing, args, returns and errors as `gate_single`.
    """
    gate = ElementwiseGate("concat", name="gate")
    return _gated("gate_concat", gate, schema, backbone=backbone, small=small, weights=weights, size=size)


def _gated(
    system: str,
    gate: keras.layers.Layer,
    schema: Schema,
    *,
    backbone: str,
    small: str,
    weights: str | dict[str, str],
    size: int,
) -> keras.Model:
    photo, segmented = view("photo", size), view("segmented", size)
    whole = tower(photo, backbone=backbone, weights=weights)
    person = tower(segmented, backbone=small, weights=weights)
    fused = gate(two_alike(whole, person))
    return keras.Model({"photo": photo, "segmented": segmented}, scores(fused, schema), name=system)
