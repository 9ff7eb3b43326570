"""mA and the instance-based metrics, computed another way by scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from keras_sister.evaluation.attribute_metrics import attribute_metrics
from keras_sister.evaluation.pedestrian_metrics import pedestrian_metrics
from keras_sister.evaluation.summary import read_summary
from keras_sister.schema import Attribute, Schema

from ..run_folder import SCHEMA, write_run

BINARY = Schema(tuple(Attribute(name) for name in ("hat", "bag", "boots", "glasses")))


def draw(unknown: float, photos: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 2, (2, photos, len(BINARY)))
    labels[rng.random(labels.shape) < unknown] = -1
    labels[0] = np.where(labels[0] == 1, 0, labels[0])  # a photo without a positive
    return labels, predicted


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_they_are_those_of_scikit_learn_on_known_labels(unknown):
    labels, predicted = draw(unknown)
    found = pedestrian_metrics(BINARY, labels, predicted)
    known = labels >= 0
    truth, decided = ((known & (values == 1))[known.any(axis=1)] for values in (labels, predicted))
    averages = {"average": "samples", "zero_division": 0}
    precision, recall = (f(truth, decided, **averages) for f in (metrics.precision_score, metrics.recall_score))
    expected = {
        "mean_accuracy": np.mean(
            [
                metrics.balanced_accuracy_score(y[k], p[k])
                for y, p, k in zip(labels.T, predicted.T, known.T, strict=True)
            ]
        ),
        "instance_accuracy": metrics.jaccard_score(truth, decided, **averages),
        "instance_precision": precision,
        "instance_recall": recall,
        "instance_f1": 2 * precision * recall / (precision + recall),  # not the mean of the photos' F1
    }
    assert found == pytest.approx(expected)


def test_it_is_none_where_it_is_not_defined():
    labels, predicted = draw(0)
    assert pedestrian_metrics(BINARY, np.full_like(labels, -1), predicted) is None
    assert pedestrian_metrics(SCHEMA, np.zeros((3, 2), int), np.zeros((3, 2), int)) is None
    only_hats = np.where(np.arange(4) == 0, labels, -1)
    expected = metrics.balanced_accuracy_score(labels[:, 0], predicted[:, 0])
    assert pedestrian_metrics(BINARY, only_hats, predicted)["mean_accuracy"] == pytest.approx(expected)


def test_no_positive_anywhere_scores_0_by_photo_and_not_in_ma():
    nothing = np.zeros((5, 4), int)
    found = pedestrian_metrics(BINARY, nothing, nothing)
    assert found["mean_accuracy"] == 1.0
    assert {found[name] for name in found if name != "mean_accuracy"} == {0.0}


def test_the_summary_has_them_where_all_attributes_are_binary(tmp_path):
    labels, _ = draw(0.2)
    run = write_run(tmp_path / "binary", labels, schema=BINARY)
    summary = read_summary(run)
    logits = np.zeros((len(labels), len(BINARY)))
    for number, rows in enumerate(run.folds):
        with np.load(run.fold(number).predictions) as saved:
            logits[rows] = saved["logits"]
    assert summary["pedestrian"] == pytest.approx(pedestrian_metrics(BINARY, labels, (logits >= 0).astype(int)))
    assert attribute_metrics(BINARY, labels, logits)["pedestrian"] == pytest.approx(summary["pedestrian"])
    mixed = write_run(tmp_path / "mixed", np.zeros((9, 2), int))
    assert read_summary(mixed)["pedestrian"] is None
