"""The section of reliability, before and after calibration."""

from typing import Any

from keras_sister.evaluation.out_of_fold import OutOfFold
from keras_sister.evaluation.reliability import probability_of, reliability
from keras_sister.evaluation.thresholds import Goal, calibrated_by_fold, nested_rules


def reliability_sections(ours: OutOfFold) -> dict[str, dict[str, Any]]:
    """Reliability of the predicted classes before and after calibration, each fold by the temperatures of the others.

    Args:
        ours: out-of-fold predictions.

    Returns:
        ``before``, and with at least two folds ``after``: each has ``all``, and ``attributes`` by name, see
        `keras_sister.evaluation.reliability.reliability`.
    """
    found = {"before": probability_of(ours.schema, ours.logits, ours.predicted)}
    if len(ours.folds) > 1:
        # Temperatures are the same whatever thresholds are fitted for.
        found["after"] = calibrated_by_fold(ours, nested_rules(ours, Goal("accuracy")))
    sections = {}
    for moment, probabilities in found.items():
        each = {
            name: reliability(probabilities[known, i], ours.correct[known, i])
            for i, (name, known) in enumerate(zip(ours.schema.names, ours.known.T, strict=True))
        }
        every = reliability(probabilities[ours.known], ours.correct[ours.known])
        sections[moment] = {"all": every, "attributes": each}
    return sections
