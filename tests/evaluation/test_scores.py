import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from keras_sister.evaluation.scores import accuracies, macc, majority_classes
from keras_sister.schema import DCSA


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(-1, len(a.classes), 200) for a in DCSA], axis=1).astype(np.int8)
    predicted = np.stack([rng.integers(0, len(a.classes), 200) for a in DCSA], axis=1).astype(np.int8)
    return labels, predicted


def test_accuracies_are_those_of_scikit_learn_without_the_unknown(answers):
    labels, predicted = answers
    for i, (name, accuracy) in enumerate(accuracies(DCSA, labels, predicted).items()):
        known = labels[:, i] >= 0
        assert name == DCSA.names[i]
        assert accuracy == pytest.approx(accuracy_score(labels[known, i], predicted[known, i]))


def test_what_is_predicted_for_an_unknown_label_does_not_matter(answers):
    labels, predicted = answers
    changed = np.where(labels < 0, 1 - predicted.clip(0, 1), predicted)
    assert accuracies(DCSA, labels, predicted) == accuracies(DCSA, labels, changed)


def test_an_attribute_nobody_knows_counts_for_nothing(answers):
    labels, predicted = answers
    labels[:, 3] = -1
    scores = accuracies(DCSA, labels, predicted)
    assert DCSA.names[3] not in scores
    assert macc(scores) == pytest.approx(sum(scores.values()) / 25)


def test_the_majority_is_the_mode_of_the_known_labels(answers):
    labels, _ = answers
    answer = majority_classes(DCSA, labels)
    for i in range(len(DCSA)):
        values, counts = np.unique(labels[labels[:, i] >= 0, i], return_counts=True)
        assert answer[i] == values[counts.argmax()]
    assert majority_classes(DCSA, np.full((5, len(DCSA)), -1)).tolist() == [0] * len(DCSA)
