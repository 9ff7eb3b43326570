"""Unknown is a value everywhere: hiding one label never changes a number of another attribute.

`FUNCTIONS` is a table: whatever computes a number for each attribute belongs in it as a row.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cli.cv import _show as show_summary
from keras_sister.config import Experiment
from keras_sister.data.check import _count
from keras_sister.data.dataset import Dataset
from keras_sister.data.folds import stratified_folds
from keras_sister.data.label_patterns import label_patterns
from keras_sister.evaluation.attribute_metrics import attribute_metrics
from keras_sister.evaluation.comparison import compare_systems, group_by_seed
from keras_sister.evaluation.intervals import accuracy_intervals
from keras_sister.evaluation.label_issues import flag_labels
from keras_sister.evaluation.out_of_fold import OutOfFold, majority_predictions
from keras_sister.evaluation.reliability import probability_of, reliability
from keras_sister.evaluation.scores import accuracies, majority_classes
from keras_sister.evaluation.summary import summarize
from keras_sister.evaluation.thresholds import Goal, fit_rules, nested_rules, score_unseen
from keras_sister.labels import read_batch
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.report.content import run_content
from keras_sister.schema import Attribute, Schema
from keras_sister.training.class_weights import balanced_class_weights

from .run_folder import write_run

SCHEMA = Schema(
    (Attribute("scarf"), Attribute("sleeves", ("none", "short", "long")), Attribute("gender", ("male", "female")))
)
PHOTOS = 36
RNG = np.random.default_rng(4)
LABELS = np.stack([RNG.integers(-1, len(a.classes), PHOTOS) for a in SCHEMA], axis=1)
LOGITS = RNG.normal(size=(PHOTOS, SCHEMA.n_logits))
GROUPS = np.array([f"P{i // 3}" for i in range(PHOTOS)])
FOLDS = [np.arange(PHOTOS)[number::3] for number in range(3)]

Numbers = dict[str, Any]
"""By attribute: numbers, arrays, or dicts and lists of them."""


def loss_gradients(labels: np.ndarray, **settings: Any) -> Numbers:
    """What training takes from the labels: the gradient by each attribute's logits."""
    logits = tf.Variable(LOGITS, dtype="float32")
    with tf.GradientTape() as tape:
        loss = MaskedAttributeLoss(SCHEMA, **settings)(labels, logits)
    gradient = tape.gradient(loss, logits).numpy()
    return {name: gradient[:, columns] for name, columns in SCHEMA.logit_slices.items()}


def metric_counts(labels: np.ndarray) -> Numbers:
    metric = AttributeAccuracy(SCHEMA)
    metric.update_state(labels, LOGITS)
    counts = keras.ops.convert_to_numpy(metric.right), keras.ops.convert_to_numpy(metric.known)
    return {name: [float(count[i]) for count in counts] for i, name in enumerate(SCHEMA.names)}


def batch_columns(labels: np.ndarray) -> Numbers:
    batch = read_batch(SCHEMA, labels, LOGITS)
    columns = [keras.ops.convert_to_numpy(values) for values in (batch.labels, batch.known)]
    return {name: [values[:, i] for values in columns] for i, name in enumerate(SCHEMA.names)}


def out_of_fold(labels: np.ndarray) -> OutOfFold:
    photos = [(f"{i}.jpg", str(i)) for i in range(PHOTOS)]
    return OutOfFold("run", Experiment(), SCHEMA, photos, labels, LOGITS, FOLDS)


def by_column(values: np.ndarray) -> Numbers:
    return {name: values[..., i] for i, name in enumerate(SCHEMA.names)}


def intervals(labels: np.ndarray, groups: np.ndarray | None) -> Numbers:
    run = out_of_fold(labels)
    return by_column(accuracy_intervals(run.known, run.correct, groups=groups).T)


def calibration(labels: np.ndarray) -> Numbers:
    run = out_of_fold(labels)
    probabilities = probability_of(SCHEMA, LOGITS, run.predicted)
    return {
        name: reliability(probabilities[run.known[:, i], i], run.correct[run.known[:, i], i])
        for i, name in enumerate(SCHEMA.names)
    }


def thresholds(labels: np.ndarray, goal: Goal) -> Numbers:
    """The rules of the run and of every fold, and the scores on folds that they have not seen."""
    run = out_of_fold(labels)
    of_folds = nested_rules(run, goal)
    scores, rules = score_unseen(run, of_folds), fit_rules(SCHEMA, labels, LOGITS, goal)
    return {name: [rule.to_dict(), [f[name].to_dict() for f in of_folds], scores[name]] for name, rule in rules.items()}


def suspicious_labels(labels: np.ndarray) -> Numbers:
    pytest.importorskip("cleanlab")
    return by_column(flag_labels(out_of_fold(labels)))


def comparison(labels: np.ndarray) -> Numbers:
    """The accuracies of two systems. Their p-values are corrected for the number of attributes, so they do depend."""
    other = Experiment(system="baseline")
    better = np.random.default_rng(5).normal(size=LOGITS.shape)
    runs = [out_of_fold(labels), replace(out_of_fold(labels), name="other", experiment=other, logits=better)]
    _, compared = compare_systems(group_by_seed(runs))
    return {a.name: (a.first, a.second) for a in compared.attributes}


def patterns(labels: np.ndarray) -> Numbers:
    photos = tuple(Path(f"{'ab'[max(row[0], 0)]}{'xyz'[max(row[1], 0)]}/{i}.jpg") for i, row in enumerate(LABELS))
    findings, _ = label_patterns(Dataset(SCHEMA, photos, labels))
    return {name: [f.text for f in findings if f.text.startswith(f"{name}:")] for name in SCHEMA.names}


FUNCTIONS: dict[str, Callable[[np.ndarray], Numbers]] = {
    "loss": loss_gradients,
    "loss with class weights": lambda labels: loss_gradients(
        labels, class_weights=balanced_class_weights(SCHEMA, labels)
    ),
    "focal loss": lambda labels: loss_gradients(labels, loss="focal", label_smoothing=0.1),
    "asymmetric loss": lambda labels: loss_gradients(labels, loss="asymmetric"),
    "class weights": lambda labels: balanced_class_weights(SCHEMA, labels),
    "class weights of weighted photos": lambda labels: balanced_class_weights(
        SCHEMA, labels, np.arange(PHOTOS) / PHOTOS
    ),
    "metric": metric_counts,
    "labels of a batch": batch_columns,
    "accuracies": lambda labels: accuracies(SCHEMA, SCHEMA.check_labels(labels), SCHEMA.predict(LOGITS)),
    "majority class": lambda labels: by_column(majority_classes(SCHEMA, labels)),
    "majority predictions": lambda labels: by_column(majority_predictions(out_of_fold(labels)).predicted),
    "attribute metrics": lambda labels: attribute_metrics(SCHEMA, labels, LOGITS)["attributes"],
    "intervals over photos": lambda labels: intervals(labels, None),
    "intervals over groups": lambda labels: intervals(labels, GROUPS),
    "calibration": calibration,
    "thresholds for accuracy": lambda labels: thresholds(labels, Goal("accuracy")),
    "thresholds for f1": lambda labels: thresholds(labels, Goal("f1")),
    "thresholds for a precision": lambda labels: thresholds(labels, Goal("precision", 0.5)),
    "suspicious labels": suspicious_labels,
    "comparison": comparison,
    "classes of data check": lambda labels: _count(SCHEMA, labels),
    "patterns of data check": patterns,
}


OWN_CHANGES = (
    *("accuracies", "attribute metrics", "metric", "loss", "calibration"),
    *("loss with class weights", "focal loss", "asymmetric loss", "thresholds for accuracy"),
)
"""The rows that change for the attribute itself if half of its labels are hidden."""


def hidden(rows: slice | int, column: int) -> np.ndarray:
    labels = LABELS.copy()
    labels[rows, column] = -1
    return labels


@pytest.mark.parametrize("column", range(len(SCHEMA)), ids=SCHEMA.names)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_hiding_a_label_changes_no_other_attribute(name, column):
    function = FUNCTIONS[name]
    before = function(LABELS)
    assert before.keys() == set(SCHEMA.names)
    rows = np.flatnonzero(LABELS[:, column] >= 0)
    for hide in (int(rows[0]), slice(0, PHOTOS // 2), slice(None)):
        after = function(hidden(hide, column))
        for other in set(SCHEMA.names) - {SCHEMA.names[column]}:
            np.testing.assert_equal(after[other], before[other], err_msg=f"{name}: {other}")
    if name in OWN_CHANGES:
        own = SCHEMA.names[column]
        with pytest.raises((AssertionError, KeyError)):
            np.testing.assert_equal(function(hidden(slice(0, PHOTOS // 2), column))[own], before[own])


def test_summary_and_report_of_a_run(tmp_path):
    """The summary's and the page's numbers, from two run folders that differ in one label."""
    column, row = 1, int(np.flatnonzero(LABELS[:, 1] >= 0)[0])
    runs = [
        write_run(tmp_path / name, labels, schema=SCHEMA, groups=GROUPS)
        for name, labels in (("all", LABELS), ("hidden", hidden(row, column)))
    ]
    summaries = [summarize(run)["attributes"] for run in runs]
    pages = [run_content(run) for run in runs]
    for i, name in enumerate(SCHEMA.names):
        numbers = [
            [
                summary[name],
                page.attributes[i],
                *(page.reliability[moment]["attributes"][name] for moment in ("before", "after")),
                page.classes[name],
            ]
            for summary, page in zip(summaries, pages, strict=True)
        ]
        if i == column:
            assert numbers[0] != numbers[1]
        else:
            np.testing.assert_equal(numbers[0], numbers[1])


def test_a_fold_without_known_labels_is_left_out_and_said(tmp_path, capsys):
    labels = LABELS.copy()
    labels[1::3] = -1  # the photos are dealt to the folds in turn
    summary = summarize(write_run(tmp_path / "run", labels, schema=SCHEMA))
    assert [fold["macc"] is None for fold in summary["folds"]] == [False, True, False]
    assert summary["macc"]["mean"] == pytest.approx(np.mean([summary["folds"][i]["macc"] for i in (0, 2)]))
    show_summary(summary, tmp_path / "run")
    said = capsys.readouterr().out
    assert "Left out of mean and spread, because no label of theirs is known: folds 1\n" in said


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_folds_spread_the_labels_of_the_others_as_before(groups):
    """Folds are drawn for all attributes together, so one hidden label may move a photo, but not spoil the balance."""

    def spread(labels: np.ndarray, column: int, value: int) -> int:
        folds = stratified_folds(labels, SCHEMA, folds=3, seed=0, groups=groups)
        assert sorted(np.concatenate(folds)) == list(range(PHOTOS))
        counts = [int((labels[rows, column] == value).sum()) for rows in folds]
        return max(counts) - min(counts)

    for column in range(len(SCHEMA)):
        less = hidden(int(np.flatnonzero(LABELS[:, column] >= 0)[0]), column)
        for other in set(range(len(SCHEMA))) - {column}:
            for value in range(len(SCHEMA.attributes[other].classes)):
                assert spread(less, other, value) <= (3 if groups is None else 6)
        as_nan = less.astype(float)
        as_nan[less < 0] = np.nan
        ours, theirs = (stratified_folds(labels, SCHEMA, folds=3, seed=0) for labels in (less, as_nan))
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
