from dataclasses import replace

import numpy as np
import pytest

from keras_sister.errors import InputError
from keras_sister.evaluation.comparison import compare
from keras_sister.schema import DCSA, Attribute, Schema
from keras_sister.training.predictions import Predictions


def make(name: str, *, right: float, photos: int = 160, seed: int = 0) -> Predictions:
    """Answers of which a share is right; labels and folds are the same for all of them."""
    rng = np.random.default_rng(7)
    labels = np.stack([rng.integers(-1, len(a.classes), photos) for a in DCSA], axis=1).astype(np.int8)
    folds = np.split(rng.permutation(photos), 8)
    hits = np.random.default_rng(seed).random(labels.shape) < right
    return Predictions(name, DCSA, labels, np.where(hits, labels, (labels == 0).astype(np.int8)), folds)


WORSE, BETTER = make("worse", right=0.80, seed=1), make("better", right=0.95, seed=2)


def test_the_better_run_is_found_better_by_every_test():
    majority, comparison = compare([WORSE, BETTER])
    assert (comparison.first, comparison.second) == ("worse", "better")
    assert comparison.folds.low > 0
    assert comparison.folds.p < 0.001
    assert comparison.photos.low > 0
    assert all(a.second > a.first for a in comparison.attributes)
    assert majority.first == "majority"
    assert majority.folds.low > 0


def test_turning_the_comparison_round_turns_its_signs():
    forth, back = compare([WORSE, BETTER])[1], compare([BETTER, WORSE])[1]
    assert forth.folds.estimate == pytest.approx(-back.folds.estimate)
    assert forth.photos.low == pytest.approx(-back.photos.high)
    assert [a.p for a in forth.attributes] == [a.p for a in back.attributes]


def test_a_run_does_not_differ_from_itself():
    comparison = compare([BETTER, BETTER])[1]
    assert (comparison.folds.estimate, comparison.folds.p, comparison.photos.low) == (0, 1, 0)
    assert {a.p for a in comparison.attributes} == {1.0}


OTHER_LABELS = BETTER.labels.copy()
OTHER_LABELS[3, 4] = -1 if OTHER_LABELS[3, 4] >= 0 else 0


@pytest.mark.parametrize(
    ("run", "fault"),
    [
        (replace(BETTER, schema=Schema((*DCSA.attributes[:-1], Attribute("style")))), "schema.*category, style"),
        (replace(BETTER, schema=Schema(DCSA.attributes[::-1])), "schema.*order"),
        (replace(BETTER, labels=OTHER_LABELS), "labels"),
        (replace(BETTER, folds=BETTER.folds[:4]), "4 folds.*8"),
        (replace(BETTER, folds=BETTER.folds[::-1]), "--seed"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(run, fault):
    with pytest.raises(InputError, match=f"better.*{fault}"):
        compare([WORSE, run])
