"""Fit temperatures and thresholds on out-of-fold predictions, and score them on folds that they have not seen.

Each attribute is fitted on its own known labels only. How it is done in words: ``docs/concepts/thresholds.md``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from sklearn import metrics

from keras_sister.config import GOALS
from keras_sister.errors import InputError, check_choice
from keras_sister.evaluation.calibration import calibrated, fit_temperature
from keras_sister.evaluation.checksums import check_checksums
from keras_sister.evaluation.decisions import THRESHOLDS, DecisionRule, candidates, decide, parse_rules
from keras_sister.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from keras_sister.evaluation.reliability import probability_of, reliability
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema

_SUPPORT = 20
"""Photos of the rarer class at which half of a threshold's distance from 0.5 is kept."""

_CERTAINTY = 0.9
"""How certain it must be that a wanted precision is reached: the lower end of a one-sided interval reaches it."""


@dataclass(frozen=True)
class Goal:
    """What thresholds are fitted for.

    Args:
        name: one of `keras_sister.config.GOALS`.
        precision: the share of decisions that shall be correct, above 0 and below 1; with the goal ``precision`` only.

    Raises:
        InputError: for another goal, or a precision that is missing, not wanted or out of range.
    """

    name: str
    precision: float | None = None

    def __post_init__(self) -> None:
        check_choice("goal", self.name, GOALS)
        if (self.precision is None) == (self.name == "precision"):
            raise InputError(f"The goal 'precision', and no other, needs a precision. Received: {self}")
        if self.precision is not None and not 0 < self.precision < 1:
            raise InputError(f"precision must be above 0 and below 1. Received: {self.precision}")


def fit_rules(schema: Schema, labels: np.ndarray, logits: np.ndarray, goal: Goal) -> dict[str, DecisionRule]:
    """Fit the rule of every attribute on its known labels.

    Args:
        schema: attributes and classes.
        labels: array of numbers, shape (photos, attributes): class indices; NaN or any negative number is unknown.
        logits: float array, shape (photos, schema.n_logits).
        goal: what for.

    Returns:
        By attribute name. Without a known label: temperature 1, threshold 0.5; for a precision, no class is decided.

    Raises:
        InputError: for labels or logits of another shape, a label that is not a class index, or a logit that is not a
            finite number.
    """
    slices, labels, logits = schema.logit_slices, schema.check_labels(labels), schema.check_logits(logits)
    if len(labels) != len(logits):
        raise InputError(f"Expected labels and logits of the same photos. Received: {len(labels)} and {len(logits)}.")
    return {a.name: _fit_rule(a, labels[:, i], logits[:, slices[a.name]], goal) for i, a in enumerate(schema)}


def _fit_rule(attribute: Attribute, labels: np.ndarray, logits: np.ndarray, goal: Goal) -> DecisionRule:
    temperature = fit_temperature(attribute, labels, logits)
    known = labels >= 0
    labels, probabilities = labels[known], calibrated(attribute, logits[known], temperature)
    if goal.precision is not None:
        threshold = 0.5 if attribute.is_binary else None
        candidate, minimum = candidates(attribute, probabilities, threshold), {}
        for c, name in enumerate(attribute.classes):
            rows = candidate == c
            minimum[name] = _lowest_sure(probabilities[rows, c], labels[rows] == c, goal.precision)
        return DecisionRule(temperature, threshold, minimum)
    always: dict[str, float | None] = dict.fromkeys(attribute.classes, 0.0)
    best = _best_threshold(labels, probabilities[:, 1], goal.name) if attribute.is_binary else None
    return DecisionRule(temperature, best, always)


def _best_threshold(labels: np.ndarray, probabilities: np.ndarray, goal: str) -> float:
    """The threshold with the highest accuracy or F1 of the positive class, pulled towards 0.5.

    Thresholds that are tried lie halfway between neighbouring probabilities; of equally good ones the nearest to 0.5.
    """
    positives = int(labels.sum())
    support = min(positives, len(labels) - positives)
    if not support:
        return 0.5
    values = np.unique(probabilities)
    tried = np.append((values[1:] + values[:-1]) / 2, 0.5)
    true, false = (np.sort(probabilities[labels == c]) for c in (1, 0))
    hits = len(true) - np.searchsorted(true, tried)  # positives at or above each threshold
    alarms = len(false) - np.searchsorted(false, tried)
    scores = hits - alarms if goal == "accuracy" else 2 * hits / (len(true) + hits + alarms)
    best = tried[scores == scores.max()]
    nearest = float(best[np.argmin(np.abs(best - 0.5))])
    return 0.5 + (nearest - 0.5) * support / (support + _SUPPORT)


def _lowest_sure(confidence: np.ndarray, correct: np.ndarray, precision: float) -> float | None:
    """The lowest confidence from which on predictions of a class have the wanted precision; None if there is none.

    They have it where the lower end of the one-sided Clopper–Pearson interval of their precision reaches it.
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, hits = confidence[order], np.cumsum(correct[order])
    counts = np.arange(1, len(hits) + 1)
    lower = np.where(hits > 0, scipy.stats.beta.ppf(1 - _CERTAINTY, np.maximum(hits, 1), counts - hits + 1), 0)
    is_last = np.append(confidence[1:] != confidence[:-1], True)[: len(hits)]  # equal ones are decided together
    reached = np.flatnonzero((lower >= precision) & is_last)
    return float(confidence[reached[-1]]) if len(reached) else None


def nested_rules(ours: OutOfFold, goal: Goal) -> list[dict[str, DecisionRule]]:
    """For every fold the rules fitted on the other folds.

    Raises:
        InputError: if there are fewer than two folds, as with an official split.
    """
    if len(ours.folds) < 2:
        raise InputError(
            f"{ours.name}: thresholds need a cross-validation of at least 2 folds; they are scored on folds that they"
            " have not seen."
        )
    others = [np.delete(np.arange(len(ours.labels)), rows) for rows in ours.folds]
    return [fit_rules(ours.schema, ours.labels[rows], ours.logits[rows], goal) for rows in others]


def decide_by_fold(ours: OutOfFold, rules: Sequence[dict[str, DecisionRule]]) -> tuple[np.ndarray, np.ndarray]:
    """Decisions and confidence as of `keras_sister.evaluation.decisions.decide`, each fold by its own rules."""
    decisions = np.zeros(ours.labels.shape, np.int32)
    confidence = np.zeros(ours.labels.shape)
    for rows, of_fold in zip(ours.folds, rules, strict=True):
        decisions[rows], confidence[rows] = decide(ours.schema, of_fold, ours.logits[rows])
    return decisions, confidence


def calibrated_by_fold(ours: OutOfFold, rules: Sequence[dict[str, DecisionRule]]) -> np.ndarray:
    """The calibrated probability of the predicted class, each fold by its own temperatures.

    Returns:
        float64 array, shape (photos, attributes).
    """
    found = np.zeros(ours.labels.shape)
    for rows, of_fold in zip(ours.folds, rules, strict=True):
        logits = ours.logits[rows].astype(np.float64)
        for name, columns in ours.schema.logit_slices.items():
            logits[:, columns] /= of_fold[name].temperature
        found[rows] = probability_of(ours.schema, logits, ours.predicted[rows])
    return found


def fit_thresholds(run: Run, goal: Goal, predictions: OutOfFold | None = None) -> dict[str, Any]:
    """Fit thresholds on a finished cross-validation, and score them on folds that they have not seen.

    Args:
        run: the run.
        goal: what for.
        predictions: its out-of-fold predictions, if they have been read.

    Returns:
        The content of ``thresholds.json``:

        - ``goal`` and ``precision``, which is null for other goals;
        - ``undecided``: names of the attributes for which no class is ever decided;
        - ``attributes``: by name the rule fitted on all folds, ``temperature``, ``threshold``, ``minimum`` (see
          `keras_sister.evaluation.decisions.DecisionRule`), ``known``, the number of known labels, and ``unseen``, the
          scores below;
        - ``folds``: for each fold the rules fitted on the other folds, by attribute name.

        ``unseen`` scores each fold by the rules fitted on the others, over all known labels. Numbers in [0, 1], null
        where there is nothing to count: expected calibration ``error_before`` and ``error_after`` calibration;
        ``coverage``, the share of photos that are decided; ``accuracy`` of the decided ones; their ``precision`` by
        class; ``f1``, as in `keras_sister.evaluation.attribute_metrics.attribute_metrics`, where an undecided photo
        has no class; and ``plain``, ``accuracy`` and ``f1`` of `Schema.predict`, without thresholds.

    Raises:
        InputError: if the run has not ended, has fewer than two folds, or a file is damaged, naming it.

    Example:
        >>> fit_thresholds(Run(Path("runs/sister_a")), Goal("precision", 0.95))["attributes"]["scarf"]["minimum"]
        {'no': 0.71, 'yes': 0.93}
    """
    ours = predictions or read_out_of_fold(run.folder)
    of_folds = nested_rules(ours, goal)
    rules = fit_rules(ours.schema, ours.labels, ours.logits, goal)
    unseen = score_unseen(ours, of_folds)
    known = ours.known.sum(axis=0).tolist()
    return {
        "goal": goal.name,
        "precision": goal.precision,
        "undecided": [name for name, rule in rules.items() if len(rule.never) == len(rule.minimum)],
        "attributes": {
            name: {"known": n, **rule.to_dict(), "unseen": unseen[name]}
            for (name, rule), n in zip(rules.items(), known, strict=True)
        },
        "folds": [{name: rule.to_dict() for name, rule in of_fold.items()} for of_fold in of_folds],
    }


def score_unseen(ours: OutOfFold, rules: Sequence[dict[str, DecisionRule]]) -> dict[str, dict[str, Any]]:
    """The scores ``unseen`` of `fit_thresholds`, by attribute name.

    Args:
        ours: out-of-fold predictions.
        rules: for each fold the rules fitted on the others.
    """
    decisions, _ = decide_by_fold(ours, rules)
    before, after = probability_of(ours.schema, ours.logits, ours.predicted), calibrated_by_fold(ours, rules)
    scores = {}
    for i, attribute in enumerate(ours.schema):
        known, correct = ours.known[:, i], ours.correct[:, i]
        labels, decided, predicted = (values[known, i] for values in (ours.labels, decisions, ours.predicted))
        scores[attribute.name] = {
            "error_before": reliability(before[known, i], correct[known])["error"],
            "error_after": reliability(after[known, i], correct[known])["error"],
            "coverage": _mean(decided >= 0),
            "accuracy": _mean((decided == labels)[decided >= 0]),
            "precision": {name: _mean(labels[decided == c] == c) for c, name in enumerate(attribute.classes)},
            "f1": _f1(attribute, labels, decided),
            "plain": {"accuracy": _mean(predicted == labels), "f1": _f1(attribute, labels, predicted)},
        }
    return scores


def _mean(values: np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _f1(attribute: Attribute, labels: np.ndarray, decided: np.ndarray) -> float | None:
    if not len(labels):
        return None
    classes = [1] if attribute.is_binary else range(len(attribute.classes))
    return float(metrics.f1_score(labels, decided, labels=classes, average="macro", zero_division=0))


def write_thresholds(run: Run, goal: Goal) -> dict[str, Any]:
    """Fit thresholds, keep them in the run as ``thresholds.json``, and return its content; see `fit_thresholds`.

    Raises:
        InputError: as `fit_thresholds` does, or if another process holds the run.
    """
    read_out_of_fold(run.folder)  # before the lock, which would create a folder
    with run.locked():
        content = fit_thresholds(run, goal)
        run.write(THRESHOLDS, content)
    return content


def read_thresholds(run: Run, predictions: OutOfFold | None = None) -> dict[str, Any] | None:
    """Read the ``thresholds.json`` of a cross-validation; None without the file.

    Args:
        run: the run.
        predictions: its out-of-fold predictions, if they have been read.

    Raises:
        InputError: if it is damaged or does not follow from the run's predictions, naming it.
    """
    file = run.folder / THRESHOLDS
    if not file.exists():
        return None
    way_out = f"Run 'sister-keras thresholds {run.folder}' again, or remove the file."
    try:
        stored = run.read(THRESHOLDS)
        parse_rules(run.schema, stored, str(file))
        goal = _goal_of(stored, str(file))
    except InputError as error:
        raise InputError(f"{error} {way_out}") from error
    found = fit_thresholds(run, goal, predictions)
    if not _same(stored, found):
        raise InputError(f"{file}: does not follow from the run's predictions. {way_out}")
    return found


def read_rules(run: Run) -> dict[str, DecisionRule] | None:
    """The rules of a cross-validation, or of a final model, which got them from one; None without ``thresholds.json``.

    Raises:
        InputError: if the file is damaged, was changed, or does not follow from the predictions of a cross-validation.
    """
    if (run.folder / "folds.json").exists():
        content: Any = read_thresholds(run)
    else:
        check_checksums(run, run.folder, THRESHOLDS)
        content = run.read(THRESHOLDS) if (run.folder / THRESHOLDS).exists() else None
    return None if content is None else parse_rules(run.schema, content, str(run.folder / THRESHOLDS))


def _same(stored: Any, found: Any) -> bool:
    """Whether two contents are equal, but for the last digits of numbers, in which processors differ."""
    if isinstance(stored, dict) and isinstance(found, dict):
        return stored.keys() == found.keys() and all(_same(stored[key], found[key]) for key in found)
    if isinstance(stored, list) and isinstance(found, list):
        return len(stored) == len(found) and all(map(_same, stored, found))
    if type(stored) is type(found) is float:
        return math.isclose(stored, found, rel_tol=1e-7, abs_tol=1e-9)
    return type(stored) is type(found) and stored == found


def _goal_of(content: Any, name: str) -> Goal:
    try:
        return Goal(content["goal"], content["precision"])
    except (LookupError, TypeError, InputError) as error:
        raise InputError(f"{name}: no valid goal and precision; it has been changed or damaged.") from error
