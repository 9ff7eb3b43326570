"""One functional builder for each system of the paper, and one of our own, reading top-down like its drawing.

photo ────── backbone ── max pool ── 1,024 ─┐
                                            ├─ fusion ── scores        sister_a, twin, gate_*
segmented ── small ───── max pool ── 1,024 ─┘
"""

import inspect
from collections.abc import Callable
from pathlib import Path

import keras

from keras_sister.errors import InputError
from keras_sister.models.baseline import baseline as baseline
from keras_sister.models.baseline import segmented as segmented
from keras_sister.models.gated import gate_add as gate_add
from keras_sister.models.gated import gate_concat as gate_concat
from keras_sister.models.gated import gate_single as gate_single
from keras_sister.models.gated import gated as gated
from keras_sister.models.masked import masked as masked
from keras_sister.models.sister_a import sister_a as sister_a
from keras_sister.models.sister_a import twin as twin
from keras_sister.models.sister_b import sister_b as sister_b
from keras_sister.schema import Schema

SYSTEMS: dict[str, Callable[..., keras.Model]] = {
    "baseline": baseline,
    "segmented": segmented,
    "sister_a": sister_a,
    "sister_b": sister_b,
    "twin": twin,
    "gate_single": gate_single,
    "gate_add": gate_add,
    "gate_concat": gate_concat,
    "masked": masked,
}
"""The builder of each system in `keras_sister.config.SYSTEMS`."""


def build(
    system: str,
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    small: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """The model of a system.

    Args:
        system: a key of `SYSTEMS`.
        schema: of the logits.
        backbone: the network of the photo, or of the only view; see `keras_sister.backbones.build`.
        small: the network of the segmented photo; not looked at by systems that have none.
        weights: what the networks start from; see `keras_sister.backbones.build`.
        size: height and width of the views, in pixels.

    Returns:
        A ``keras.Model`` that takes a dict of the system's views, each (batch, size, size, 3), RGB, 0–255, uint8 or
        float, or a mask (batch, size, size, 1), and gives float32 logits (batch, schema.n_logits).

    Raises:
        InputError: for an unknown system or backbone, or weights that cannot be had or do not fit.

    Example:
        >>> model = build("sister_a", DCSA, backbone="resnet_mini", small="resnet_mini", weights="none", size=96)
        >>> model({"photo": photos, "segmented": segmented_photos}).shape
        (8, 36)
    """
    if system not in SYSTEMS:
        raise InputError(f"system must be one of {', '.join(SYSTEMS)}. Received: {system!r}")
    builder = SYSTEMS[system]
    networks = {"backbone": backbone, "small": small}
    if "small" not in inspect.signature(builder).parameters:
        del networks["small"]
    return builder(schema, **networks, weights=weights, size=size)
