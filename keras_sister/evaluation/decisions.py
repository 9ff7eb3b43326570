"""From logits to decisions: the class of each attribute or *not sure*, and a calibrated probability."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_sister.errors import InputError, quoted
from keras_sister.evaluation.calibration import calibrated
from keras_sister.schema import Attribute, Schema

THRESHOLDS = "thresholds.json"
"""The file of the rules, in a run and in an export."""

NOT_SURE = -1
"""The decision of an attribute that is left open."""


@dataclass(frozen=True)
class DecisionRule:
    """How one attribute is decided.

    The candidate is the positive class where its calibrated probability is at least `threshold`, or the most probable
    of more than two classes. It is decided for where its calibrated probability is at least its minimum.

    Attributes:
        temperature: see `keras_sister.evaluation.calibration.fit_temperature`.
        threshold: of the positive class, in [0, 1]; None for more than two classes.
        minimum: by class name the lowest probability to decide for it, in [0, 1]; None for a class that is never
            decided for.
    """

    temperature: float
    threshold: float | None
    minimum: dict[str, float | None]

    @property
    def never(self) -> list[str]:
        """The classes that are never decided for."""
        return [name for name, value in self.minimum.items() if value is None]

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts and numbers."""
        return asdict(self)


Rules = Mapping[str, DecisionRule]
"""The rule of every attribute, by name."""


def candidates(attribute: Attribute, probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """The class that each photo may be decided for: int array, shape (photos,).

    Args:
        attribute: the attribute.
        probabilities: calibrated ones, shape (photos, classes).
        threshold: see `DecisionRule`.
    """
    if threshold is None:
        return probabilities.argmax(axis=1)
    return (probabilities[:, 1] >= threshold).astype(np.int64)


def decide(schema: Schema, rules: Rules, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decide every attribute of photos.

    Args:
        schema: attributes and classes.
        rules: by attribute name.
        logits: float array, shape (photos, schema.n_logits).

    Returns:
        The decisions, int32 array, shape (photos, attributes): class indices, −1 = not sure; and the confidence,
        float64 array of the same shape: the calibrated probability of the class decided for, or of the candidate.

    Raises:
        InputError: for logits of another shape, or a logit that is not a finite number.

    Example:
        >>> decisions, confidence = decide(run.schema, rules, run.logits)
        >>> decisions[0], confidence[0].round(2)
        (array([ 1, -1], dtype=int32), array([0.97, 0.61]))
    """
    logits = schema.check_logits(logits)
    decisions, confidence = [], []
    for attribute, columns in zip(schema, schema.logit_slices.values(), strict=True):
        rule = rules[attribute.name]
        probabilities = calibrated(attribute, logits[:, columns], rule.temperature)
        candidate = candidates(attribute, probabilities, rule.threshold)
        found = np.take_along_axis(probabilities, candidate[:, None], axis=1)[:, 0]
        decisions.append(np.where(found >= minima(attribute, rule)[candidate], candidate, NOT_SURE))
        confidence.append(found)
    return np.stack(decisions, axis=1).astype(np.int32), np.stack(confidence, axis=1)


def minima(attribute: Attribute, rule: DecisionRule) -> np.ndarray:
    """The lowest probability of each class in their order; 2, which none reaches, for a class never decided for."""
    found = [rule.minimum[name] for name in attribute.classes]
    return np.array([2.0 if value is None else value for value in found])


def parse_rules(schema: Schema, content: Any, name: str) -> dict[str, DecisionRule]:
    """Read the rules in the content of a ``thresholds.json``.

    Args:
        schema: attributes and classes that the rules must have.
        content: the content.
        name: name of the file, for errors.

    Raises:
        InputError: if it has another structure, other attributes or classes, or a number out of its range.
    """
    try:
        found = {
            key: DecisionRule(value["temperature"], value["threshold"], value["minimum"])
            for key, value in content["attributes"].items()
        }
        classes = {key: list(rule.minimum) for key, rule in found.items()}
        numbers = [value for rule in found.values() for value in (rule.threshold, *rule.minimum.values())]
        temperatures = [rule.temperature for rule in found.values()]
        valid = all(_is_number(value) and value > 0 for value in temperatures)
        valid &= all(value is None or (_is_number(value) and 0 <= value <= 1) for value in numbers)
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{name}: not the thresholds of a run; it has been changed or damaged.") from error
    if classes != {attribute.name: list(attribute.classes) for attribute in schema}:
        raise InputError(f"{name}: has thresholds for other attributes or classes: {quoted(list(found))}.")
    if not valid or any((found[a.name].threshold is not None) != a.is_binary for a in schema):
        raise InputError(f"{name}: a temperature or a threshold is invalid; it has been changed or damaged.")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
