import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from keras_sister.evaluation.attribute_metrics import attribute_metrics
from keras_sister.schema import DCSA, UNKNOWN, Attribute, Schema

RNG = np.random.default_rng(0)
PHOTOS = 200
LABELS = np.stack([RNG.integers(-1, len(a.classes), PHOTOS) for a in DCSA], axis=1).astype(np.int8)
LOGITS = RNG.normal(size=(PHOTOS, DCSA.n_logits))
SCORES = attribute_metrics(DCSA, LABELS, LOGITS)


def decisions_on_known_labels() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """For each of the 36 labels, spelled out: rows with a known label, truth, decision, probability."""
    found = []
    for i, attribute in enumerate(DCSA):
        rows = np.flatnonzero(LABELS[:, i] >= 0)
        logits = LOGITS[rows][:, DCSA.logit_slices[attribute.name]]
        if attribute.is_binary:
            found.append((rows, LABELS[rows, i] == 1, logits[:, 0] >= 0, logits[:, 0]))
        else:
            shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            for c in range(attribute.n_logits):
                found.append((rows, LABELS[rows, i] == c, logits.argmax(axis=1) == c, shares[:, c]))
    return found


DECISIONS = decisions_on_known_labels()


def test_f1_is_that_of_scikit_learn_on_known_labels():
    each = [metrics.f1_score(truth, decided) for _, truth, decided, _ in DECISIONS]
    assert SCORES["f1"]["macro"] == pytest.approx(np.mean(each))
    truths, decisions = (np.concatenate([d[i] for d in DECISIONS]) for i in (1, 2))
    assert SCORES["f1"]["micro"] == pytest.approx(metrics.f1_score(truths, decisions))
    assert SCORES["hamming_loss"] == pytest.approx(metrics.hamming_loss(truths, decisions))
    assert SCORES["attributes"]["collar"]["f1"] == pytest.approx(each[1])
    assert SCORES["attributes"]["category"]["f1"] == pytest.approx(np.mean(each[-7:]))


def test_f1_by_photo_is_the_mean_over_photos():
    hits, decided, positive = np.zeros((3, PHOTOS))
    for rows, truth, decision, _ in DECISIONS:
        hits[rows] += truth & decision
        decided[rows] += decision
        positive[rows] += truth
    assert SCORES["f1"]["instance"] == pytest.approx(np.mean(2 * hits / np.maximum(decided + positive, 1)))


def test_average_precision_is_that_of_scikit_learn_on_known_labels():
    each = [metrics.average_precision_score(truth, probability) for _, truth, _, probability in DECISIONS]
    assert SCORES["mean_average_precision"] == pytest.approx(np.mean(each))
    assert SCORES["attributes"]["neckline"]["average_precision"] == pytest.approx(np.mean(each[26:29]))


@pytest.mark.parametrize("name", ["collar", "neckline", "category"])
def test_accuracies_and_confusion_are_those_of_scikit_learn(name):
    i = DCSA.names.index(name)
    known = LABELS[:, i] >= 0
    truth, answers = LABELS[known, i], DCSA.predict(LOGITS)[known, i]
    of = SCORES["attributes"][name]
    assert of["known"] == known.sum()
    assert of["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answers))
    assert of["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, answers))
    assert of["confusion"] == metrics.confusion_matrix(truth, answers).tolist()


def test_means_are_over_attributes():
    for mean, of in (("macc", "accuracy"), ("balanced_accuracy", "balanced_accuracy")):
        assert SCORES[mean] == pytest.approx(np.mean([a[of] for a in SCORES["attributes"].values()]))


def test_f1_and_hamming_loss_are_those_of_tensorflow_addons():
    reference = json.loads((Path(__file__).parent / "addons_reference.json").read_text())
    schema = Schema((*(Attribute(name) for name in "abcd"), Attribute("e", ("x", "y", "z"))))
    scores = attribute_metrics(schema, np.array(reference["labels"]), np.array(reference["logits"]))
    f1 = reference["f1"]
    for name, expected in zip("abcd", f1["binary"], strict=True):
        assert scores["attributes"][name]["f1"] == pytest.approx(expected, abs=1e-6)
    assert scores["attributes"]["e"]["f1"] == pytest.approx(np.mean(f1["multi"]), abs=1e-6)
    assert scores["f1"]["macro"] == pytest.approx(f1["macro"], abs=1e-6)
    assert scores["f1"]["micro"] == pytest.approx(f1["micro"], abs=1e-6)
    assert scores["hamming_loss"] == pytest.approx(reference["hamming_loss"], abs=1e-6)


def test_what_nobody_knows_has_no_score():
    labels = LABELS.copy()
    labels[:, 1] = -1  # collar: nothing known
    labels[:, 2] = np.where(labels[:, 2] == 1, -1, labels[:, 2])  # gender: no positive known
    scores = attribute_metrics(DCSA, labels, LOGITS)
    collar, gender = scores["attributes"]["collar"], scores["attributes"]["gender"]
    assert collar == {"known": 0, **dict.fromkeys(k for k in collar if k != "known")}
    assert gender["average_precision"] is None
    assert gender["balanced_accuracy"] == gender["accuracy"]
    others = [d for i, d in enumerate(DECISIONS) if i not in (1, 2)]
    each = [metrics.average_precision_score(truth, probability) for _, truth, _, probability in others]
    assert scores["mean_average_precision"] == pytest.approx(np.mean(each))
    assert scores["macc"] == pytest.approx(
        np.mean([a["accuracy"] for a in scores["attributes"].values() if a["known"]])
    )


def test_a_photo_without_a_known_label_is_no_photo_without_a_hit():
    logits = np.where(np.arange(DCSA.n_logits) % 2, 5.0, -5.0) * np.ones((8, 1))
    labels = DCSA.predict(logits)
    labels[4:] = UNKNOWN
    assert attribute_metrics(DCSA, labels, logits)["f1"]["instance"] == 1
