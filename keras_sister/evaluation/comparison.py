"""Compare cross-validations fold by fold and photo by photo."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.paired import Difference, bootstrap_macc, corrected_t_test, holm, mcnemar_test
from keras_sister.training.predictions import Predictions, majority_answers


@dataclass(frozen=True)
class AttributeDifference:
    """How two runs differ on one attribute: accuracies over all photos, and McNemar's p after Holm's correction."""

    name: str
    first: float
    second: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found about one run against the reference.

    Attributes:
        first: the reference's name.
        second: the other run's name.
        folds: MACC of the second minus the first over the folds, by the corrected resampled t-test.
        photos: the same over all photos, by the paired bootstrap.
        attributes: attribute by attribute.
    """

    first: str
    second: str
    folds: Difference
    photos: Difference
    attributes: list[AttributeDifference]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, for JSON."""
        return asdict(self)


def compare(runs: list[Predictions], *, seed: int = 0) -> list[Comparison]:
    """Compare every run with the first, and the first with the majority answer.

    Args:
        runs: one or more, of the same photos, labels and folds.
        seed: of the bootstrap.

    Returns:
        A comparison of the first run with the majority answer (as the reference), then of each further run with the
        first.

    Raises:
        InputError: if the runs cannot be paired, naming the difference.
    """
    reference = runs[0]
    for run in runs[1:]:
        _must_pair(reference, run)
    against_majority = _compare_two(majority_answers(reference), reference, seed=seed)
    return [against_majority, *(_compare_two(reference, run, seed=seed) for run in runs[1:])]


def _must_pair(first: Predictions, second: Predictions) -> None:
    if first.schema != second.schema:
        differ = set(first.schema.attributes) ^ set(second.schema.attributes)
        names = ", ".join(sorted({attribute.name for attribute in differ})) or "their order"
        raise InputError(f"{second.name}: the schema differs from that of {first.name}: {names}.")
    if not np.array_equal(first.labels, second.labels):
        raise InputError(f"{second.name}: photos or labels differ from those of {first.name}.")
    if len(first.folds) != len(second.folds):
        raise InputError(f"{second.name}: {len(second.folds)} folds, but {first.name} has {len(first.folds)}.")
    if not all(np.array_equal(a, b) for a, b in zip(first.folds, second.folds, strict=True)):
        raise InputError(f"{second.name}: the folds differ from those of {first.name}; run both with one --seed.")


def _compare_two(first: Predictions, second: Predictions, *, seed: int) -> Comparison:
    known = first.known
    tested = len(known) / len(first.folds)
    p_values = [mcnemar_test(first.right[k, i], second.right[k, i]) for i, k in enumerate(known.T)]
    scores = zip(first.accuracies().items(), second.accuracies().values(), strict=True)
    adjusted = dict(zip(first.schema.names, holm(np.array(p_values)), strict=True))
    return Comparison(
        first.name,
        second.name,
        corrected_t_test(second.fold_maccs() - first.fold_maccs(), test_share=tested / (len(known) - tested)),
        bootstrap_macc(known, second.right, first.right, seed=seed),
        [AttributeDifference(name, a, b, float(adjusted[name])) for (name, a), b in scores],
    )
