"""Build the model of a system by name."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import keras

from keras_sister.errors import InputError
from keras_sister.models.baseline import baseline
from keras_sister.models.gated import gated
from keras_sister.models.masked import masked
from keras_sister.models.sister_a import sister_a, twin
from keras_sister.models.sister_b import sister_b
from keras_sister.schema import Schema

Network = TypeVar("Network", str, str | keras.Model)

SYSTEMS: dict[str, Callable[..., keras.Model]] = {
    "baseline": baseline,
    "segmented": partial(baseline, view="segmented"),  # Table 1
    "sister_a": sister_a,
    "sister_b": sister_b,
    "twin": twin,
    "gate_single": partial(gated, gate="single", join="add"),  # Table 3, from here
    "gate_add": partial(gated, gate="element", join="add"),
    "gate_concat": partial(gated, gate="element", join="concat"),
    "masked": masked,
}
"""The builder of each system in `keras_sister.config.SYSTEMS`."""


def build(
    system: str,
    schema: Schema,
    *,
    backbone: str | keras.Model = "resnet50",
    person_backbone: str | keras.Model = "resnet50",
    weights: str | Path | dict[str, str] = "imagenet",
    size: int = 224,
    pooling: str = "max",
    levels: str = "last",
) -> keras.Model:
    """Build the model of a system.

    Args:
        system: a key of `SYSTEMS`.
        schema: attributes and classes to predict.
        backbone: network of the whole-photo tower, or of the only tower, as `keras_sister.backbones.build_backbone`
            takes it: a name, a ``keras.Model`` or ``.keras`` file of your own, or ``keras_hub:PRESET_OR_FOLDER``.
        person_backbone: network of the person tower; systems without one ignore it.
        weights: initial weights: ``imagenet``, ``none``, a file, or a dict of backbone names and files.
        size: height and width of the views, in pixels.
        pooling: how a tower's last feature map becomes a vector: ``max``, as in the paper, or ``mean``.
        levels: ``last``, as in the paper; or ``all``: the last map of each size is pooled, and all vectors are joined.

    Returns:
        A ``keras.Model`` that takes a dict of the system's views, each (batch, size, size, 3), RGB, 0–255, uint8 or
        float (for ``masked`` also ``mask``, (batch, size, size, 1)), and returns float32 logits
        (batch, schema.n_logits).

    Raises:
        InputError: for an unknown system, backbone, pooling or levels, or weights that cannot be loaded.

    Example:
        >>> model = build("sister_a", DCSA, backbone="resnet_mini", person_backbone="resnet_mini", weights="none")
        >>> model({"photo": photos, "segmented": segmented_photos}).shape
        (8, 36)
    """
    if system not in SYSTEMS:
        raise InputError(f"system must be one of {', '.join(SYSTEMS)}. Received: {system!r}")
    networks = networks_of(system, backbone, person_backbone)
    return SYSTEMS[system](schema, **networks, weights=weights, size=size, pooling=pooling, levels=levels)


def networks_of(system: str, backbone: Network, person_backbone: Network) -> dict[str, Network]:
    """The networks that a system has: ``backbone``, and ``person_backbone`` unless the system ignores it."""
    if "person_backbone" in inspect.signature(SYSTEMS[system]).parameters:
        return {"backbone": backbone, "person_backbone": person_backbone}
    return {"backbone": backbone}
