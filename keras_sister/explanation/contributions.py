"""How much each tower contributes to a score: exact, because the last layer is linear."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_sister.errors import InputError
from keras_sister.explanation.score import classes_of, directions, logits_of
from keras_sister.layers import AttributeLogits, GatedFusion
from keras_sister.models.mirror import unmirrored
from keras_sister.models.saved import schema_of


@dataclass(frozen=True)
class Contributions:
    """The parts of a batch of scores: ``score = bias + sum(towers.values())``, to float rounding.

    Attributes:
        classes: the class whose score it is, photo by photo.
        probability: its probability: float64 array, shape (batch,).
        score: its logit; minus the logit for the negative class of a binary attribute: float64 array, shape (batch,).
        bias: the part that no photo changes: float64 array, shape (batch,).
        towers: the part of each tower, named by its features (``photo``, ``segmented``, ``person``): float64 arrays,
            shape (batch,). None if the towers cannot be told apart.
        reason: why `towers` is None, or empty.
    """

    classes: list[str]
    probability: np.ndarray
    score: np.ndarray
    bias: np.ndarray
    towers: dict[str, np.ndarray] | None
    reason: str


def contributions(
    model: keras.Model, views: dict[str, Any], *, attribute: str, class_name: str | None = None
) -> Contributions:
    """Split the score of a class into the parts of the model's towers.

    Where the towers are added (``sister_a``, ``twin``), each part is the product of its own units and the last layer's
    weights. A gate's values depend on both towers; the parts of ``gate_*`` are exact given those values. A single tower
    has all but the bias. ``sister_b`` multiplies its towers: its score is not a sum of theirs, and there are no parts.

    Args:
        model, views, attribute, class_name: see `keras_sister.explanation.heat_maps.heat_map`.

    Raises:
        InputError: for an unknown attribute or class, other views than the model takes, or a model of another kind.

    Example:
        >>> parts = contributions(model, views, attribute="neckline", class_name="round")
        >>> parts.score - parts.bias - parts.towers["photo"] - parts.towers["segmented"]
        array([0.])
    """
    model = unmirrored(model)  # the score is of the photo as it is
    schema = schema_of(model)
    named = schema.attribute(attribute)
    logits = logits_of(model, views)
    classes = classes_of(schema, named, class_name, logits)
    direction = directions(schema, named, classes).astype(np.float64)
    (layer,) = (layer for layer in model.layers if isinstance(layer, AttributeLogits))
    kernel, bias = (keras.ops.convert_to_numpy(weight).astype(np.float64) for weight in (layer.kernel, layer.bias))
    parts, reason = _parts(model, layer, views)
    probabilities = schema.probabilities(logits)[named.name]
    if named.is_binary:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    rows = np.arange(len(classes))
    return Contributions(
        classes=classes,
        probability=probabilities[rows, [named.classes.index(name) for name in classes]],
        score=(logits * direction).sum(axis=1),
        bias=direction @ bias,
        towers=None if parts is None else {name: ((x @ kernel) * direction).sum(axis=1) for name, x in parts.items()},
        reason=reason,
    )


def _parts(model: keras.Model, last: AttributeLogits, views: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """What each tower adds to the input of the last layer: float64 arrays (batch, features); or why there is none."""
    fusion = next((layer for layer in model.layers if layer.name == "fusion"), None)
    inputs = {tensor.name: tensor for tensor in model.inputs}
    if fusion is None:
        only = _name_of(model, last.input)
        return {only: _float64(keras.Model(inputs, last.input)(views, training=False))}, ""
    if isinstance(fusion, keras.layers.Multiply):
        return None, "its towers are multiplied, so the logit is not a sum of one part for each"
    names = [_name_of(model, tensor) for tensor in fusion.input]
    towers = keras.Model(inputs, list(fusion.input))(views, training=False)
    if isinstance(fusion, GatedFusion):
        towers = fusion.gated(towers)
    elif not isinstance(fusion, keras.layers.Add):
        raise InputError(f"{model.name}: contributions of a {type(fusion).__name__} layer are unknown.")
    return {name: _float64(tower) for name, tower in zip(names, towers, strict=True)}, ""


def _name_of(model: keras.Model, tensor: Any) -> str:
    """``photo`` for the output of ``photo_features`` or ``photo_pool``."""
    layer = next(layer for layer in model.layers if layer.output is tensor)
    return layer.name.partition("_")[0]


def _float64(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")).astype(np.float64)
