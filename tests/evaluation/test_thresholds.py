"""Thresholds, calibration and nested scores, recomputed from the run folder by SciPy, scikit-learn and NumPy."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import optimize, stats
from sklearn import metrics

from cli.main import main
from keras_sister.errors import InputError
from keras_sister.evaluation.calibration import LIMITS, fit_temperature
from keras_sister.evaluation.decisions import decide, parse_rules
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.evaluation.thresholds import (
    Goal,
    fit_rules,
    fit_thresholds,
    nested_rules,
    read_thresholds,
    score_unseen,
    write_thresholds,
)
from keras_sister.schema import Attribute, Schema

from .calibrated_run import FACTOR, SCHEMA, write_calibrated_run

GOALS = (Goal("accuracy"), Goal("f1"), Goal("precision", 0.8))
COLUMNS = {"scarf": slice(0, 1), "sleeves": slice(1, 4), "gender": slice(4, 5)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_calibrated_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def contents(run):
    return {goal.name: fit_thresholds(run, goal) for goal in GOALS}


def read(run):
    """Labels, logits and the fold of every photo, from the files."""
    photos = json.loads((run.folder / "dataset.json").read_text())["photos"]
    labels = np.array([photo["labels"] for photo in photos])
    folds = json.loads((run.folder / "folds.json").read_text())
    logits, fold_of = np.zeros((len(labels), 5)), np.zeros(len(labels), int)
    for number, rows in enumerate(folds):
        fold_of[rows] = number
        with np.load(run.folder / f"fold-{number:02d}" / "predictions.npz") as saved:
            logits[rows] = saved["logits"]
    return labels, logits, fold_of


def probabilities_of(scores, temperature):
    """Of every class, from one logit or k."""
    scaled = scores / temperature
    if scores.shape[1] == 1:
        positive = 1 / (1 + np.exp(-scaled[:, 0]))
        return np.stack([1 - positive, positive], axis=1)
    powers = np.exp(scaled)
    return powers / powers.sum(axis=1, keepdims=True)


def candidates_of(probabilities, threshold):
    return probabilities.argmax(axis=1) if threshold is None else (probabilities[:, 1] >= threshold).astype(int)


def test_temperatures_minimise_the_log_loss_with_its_prior(run, contents):
    labels, logits, _ = read(run)
    for i, (name, columns) in enumerate(COLUMNS.items()):
        known = labels[:, i] >= 0
        classes = range(len(SCHEMA.attributes[i].classes))

        def loss(log_temperature, known=known, columns=columns, i=i, classes=classes):
            probabilities = probabilities_of(logits[known, columns], np.exp(log_temperature))
            total = metrics.log_loss(labels[known, i], probabilities, labels=list(classes), normalize=False)
            return total + log_temperature**2 / 2

        best = np.exp(optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x)
        for content in contents.values():
            assert content["attributes"][name]["temperature"] == pytest.approx(best, rel=1e-4)
    for name in ("scarf", "sleeves"):
        assert contents["f1"]["attributes"][name]["temperature"] == pytest.approx(FACTOR, rel=0.2)


@pytest.mark.parametrize(("goal", "score"), [("accuracy", metrics.accuracy_score), ("f1", metrics.f1_score)])
def test_thresholds_are_the_best_of_all_pulled_towards_one_half(run, contents, goal, score):
    labels, logits, _ = read(run)
    for i in (0, 2):
        found = contents[goal]["attributes"][SCHEMA.names[i]]
        known = labels[:, i] >= 0
        truth = labels[known, i]
        probabilities = probabilities_of(logits[known, COLUMNS[SCHEMA.names[i]]], found["temperature"])[:, 1]
        values = np.unique(probabilities)
        tried = [0.5, *np.mean([values[1:], values[:-1]], axis=0)]
        scores = np.array([score(truth, probabilities >= threshold) for threshold in tried])
        best = min(
            (t for t, s in zip(tried, scores, strict=True) if s >= scores.max() - 1e-12), key=lambda t: abs(t - 0.5)
        )
        rarer = min(np.bincount(truth))
        assert found["threshold"] == pytest.approx(0.5 + (best - 0.5) * rarer / (rarer + 20), abs=1e-9)
        assert set(found["minimum"].values()) == {0.0}
    assert contents[goal]["attributes"]["sleeves"]["threshold"] is None


def test_minima_are_the_lowest_confidence_whose_interval_reaches_the_precision(run, contents):
    labels, logits, _ = read(run)
    decided = 0
    for i, (name, columns) in enumerate(COLUMNS.items()):
        found = contents["precision"]["attributes"][name]
        known = labels[:, i] >= 0
        probabilities = probabilities_of(logits[known, columns], found["temperature"])
        candidate = candidates_of(probabilities, found["threshold"])
        for c, class_name in enumerate(SCHEMA.attributes[i].classes):
            confidence, correct = probabilities[candidate == c, c], labels[known, i][candidate == c] == c
            sure = []
            for lowest in np.unique(confidence):
                hits, of = int(correct[confidence >= lowest].sum()), int((confidence >= lowest).sum())
                interval = stats.binomtest(hits, of, alternative="greater").proportion_ci(0.9, method="exact")
                if interval.low >= 0.8:
                    sure.append(lowest)
            if sure:
                decided += 1
                assert found["minimum"][class_name] == pytest.approx(min(sure), abs=1e-9)
            else:
                assert found["minimum"][class_name] is None
    assert decided >= 3
    assert contents["precision"]["undecided"] == ["gender"]  # whose logits say nothing


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_nested_scores_follow_from_the_rules_of_the_folds(run, contents, goal):
    labels, logits, fold_of = read(run)
    content = contents[goal.name]
    for i, (name, columns) in enumerate(COLUMNS.items()):
        decisions, confidence = np.zeros(len(labels), int), np.zeros(len(labels))
        for number, rules in enumerate(content["folds"]):
            rows, rule = fold_of == number, rules[name]
            probabilities = probabilities_of(logits[rows, columns], rule["temperature"])
            candidate = candidates_of(probabilities, rule["threshold"])
            minimum = [np.inf if m is None else m for m in rule["minimum"].values()]
            sure = probabilities[np.arange(len(candidate)), candidate] >= np.array(minimum)[candidate]
            decisions[rows], confidence[rows] = np.where(sure, candidate, -1), probabilities.max(axis=1)
        known = labels[:, i] >= 0
        truth, found, unseen = labels[known, i], decisions[known], content["attributes"][name]["unseen"]
        plain = candidates_of(probabilities_of(logits[known, columns], 1), 0.5 if columns != slice(1, 4) else None)
        own = probabilities_of(logits[known, columns], 1).max(axis=1)
        assert unseen["error_before"] == pytest.approx(expected_calibration_error(own, plain == truth))
        assert unseen["error_after"] == pytest.approx(expected_calibration_error(confidence[known], plain == truth))
        assert unseen["coverage"] == pytest.approx((found >= 0).mean())
        if (found >= 0).any():
            assert unseen["accuracy"] == pytest.approx(metrics.accuracy_score(truth[found >= 0], found[found >= 0]))
        else:
            assert unseen["accuracy"] is None
        classes = [1] if columns != slice(1, 4) else [0, 1, 2]
        scored = {"labels": classes, "average": "macro", "zero_division": 0}
        assert unseen["f1"] == pytest.approx(metrics.f1_score(truth, found, **scored))
        assert unseen["plain"]["f1"] == pytest.approx(metrics.f1_score(truth, plain, **scored))
        for c, class_name in enumerate(SCHEMA.attributes[i].classes):
            precision = metrics.precision_score(truth, found, labels=[c], average="macro", zero_division=np.nan)
            assert (unseen["precision"][class_name] is None) == np.isnan(precision)
            if not np.isnan(precision):
                assert unseen["precision"][class_name] == pytest.approx(precision)
    for name in ("scarf", "sleeves"):
        unseen = content["attributes"][name]["unseen"]
        assert unseen["error_after"] < unseen["error_before"]
    if goal.precision:
        assert all(content["attributes"][name]["unseen"]["accuracy"] >= 0.8 for name in ("scarf", "sleeves"))


def expected_calibration_error(confidence, correct):
    of, edges = np.histogram(confidence, bins=10, range=(0, 1))
    sums = [np.histogram(confidence, edges, weights=values.astype(float))[0] for values in (confidence, correct)]
    return np.abs(sums[0] - sums[1]).sum() / of.sum()


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_a_label_that_becomes_unknown_moves_no_other_attribute(run, goal):
    ours = read_out_of_fold(run.folder)
    before, scores = fit_rules(SCHEMA, ours.labels, ours.logits, goal), score_unseen(ours, nested_rules(ours, goal))
    for i, name in enumerate(SCHEMA.names):
        labels = ours.labels.astype(float)
        labels[: len(labels) // 2, i] = np.nan
        after = fit_rules(SCHEMA, labels, ours.logits, goal)
        less = replace(ours, labels=SCHEMA.check_labels(labels))
        scores_after = score_unseen(less, nested_rules(less, goal))
        assert {n: s for n, s in scores_after.items() if n != name} == {n: s for n, s in scores.items() if n != name}
        assert {n: r for n, r in after.items() if n != name} == {n: r for n, r in before.items() if n != name}
        assert after[name].temperature != before[name].temperature
    with pytest.raises(InputError, match="class index"):
        fit_rules(SCHEMA, ours.labels + 5, ours.logits, goal)
    nothing = fit_rules(SCHEMA, np.full_like(ours.labels, -1), ours.logits, goal)
    assert {rule.temperature for rule in nothing.values()} == {1.0}
    assert nothing["scarf"].threshold == 0.5


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_a_fold_has_no_part_in_its_own_rules(run, goal):
    ours = read_out_of_fold(run.folder)
    labels = ours.labels.copy()
    labels[ours.folds[1]] = np.where(labels[ours.folds[1]] > 0, 0, labels[ours.folds[1]])
    changed = nested_rules(replace(ours, labels=labels), goal)
    before = nested_rules(ours, goal)
    assert changed[1] == before[1]
    assert changed[0] != before[0]


def test_few_or_perfect_predictions_do_not_run_away():
    attribute = Attribute("scarf")
    perfect = np.array([[-3.0], [3.0]] * 100), np.array([0, 1] * 100)
    assert LIMITS[0] < fit_temperature(attribute, perfect[1], perfect[0]) < 1
    assert 0.8 < fit_temperature(attribute, np.array([1]), np.array([[3.0]])) < 1
    assert fit_temperature(attribute, np.array([0]), np.array([[500.0]])) == LIMITS[1]
    schema, logits = Schema((attribute,)), np.linspace(-4, 0, 60)[:, None]
    labels = (np.arange(60) >= 58).astype(int)[:, None]  # two are yes, all below one half
    threshold = fit_rules(schema, labels, logits, Goal("f1"))["scarf"].threshold
    assert 0.5 - 0.5 * 2 / 22 < threshold < 0.5
    rule = fit_rules(schema, labels, logits, Goal("precision", 0.5))["scarf"]
    assert rule.minimum["no"] is not None
    assert rule.minimum["yes"] is None


def test_decisions_name_classes_and_confidence_is_theirs(run, contents):
    _, logits, _ = read(run)
    rules = parse_rules(SCHEMA, contents["precision"], "thresholds.json")
    decisions, confidence = decide(SCHEMA, rules, logits)
    assert decisions.dtype == np.int32
    assert set(np.unique(decisions[:, 1])) == {-1, 0, 1, 2}
    assert (decisions[:, 2] == -1).all()
    probabilities = probabilities_of(logits[:, 1:4], rules["sleeves"].temperature)
    np.testing.assert_allclose(confidence[:, 1], probabilities.max(axis=1))


def test_the_file_is_read_only_if_it_follows_from_the_run(tmp_path):
    run = write_calibrated_run(tmp_path / "run", photos=60)
    assert read_thresholds(run) is None
    written = write_thresholds(run, Goal("f1"))
    file = run.folder / "thresholds.json"
    assert read_thresholds(run) == written == json.loads(file.read_text())
    for change in (
        {"goal": "recall"},
        {"precision": 0.9},
        {"goal": "accuracy"},
        {"undecided": ["scarf"]},
        {"attributes": {**written["attributes"], "scarf": {**written["attributes"]["scarf"], "threshold": 0.1}}},
        {"attributes": {"scarf": written["attributes"]["scarf"]}},
        {"attributes": []},
        {"attributes": {**written["attributes"], "scarf": {"temperature": -1, "threshold": 0.5, "minimum": {}}}},
    ):
        run.write("thresholds.json", {**written, **change})
        with pytest.raises(InputError, match=r"thresholds\.json: .*sister-keras thresholds .*again"):
            read_thresholds(run)
    file.write_text("{")
    with pytest.raises(InputError, match=r"thresholds\.json: .*again"):
        read_thresholds(run)
    write_thresholds(run, Goal("f1"))
    damaged = run.fold(1).predictions
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"fold-01/predictions\.npz"):
        read_thresholds(run)


def test_one_fold_cannot_be_scored_on_another(run):
    ours = read_out_of_fold(run.folder)
    with pytest.raises(InputError, match="at least 2 folds"):
        nested_rules(replace(ours, folds=[np.arange(len(ours.labels))]), Goal("accuracy"))


@pytest.mark.parametrize(
    ("name", "precision"), [("recall", None), ("precision", None), ("f1", 0.9), ("precision", 1.0)]
)
def test_goals_that_are_none(name, precision):
    with pytest.raises(InputError):
        Goal(name, precision)


def test_the_command_says_what_stays_undecided(run, contents):
    def thresholds(*options):
        return CliRunner().invoke(main, ["thresholds", str(run.folder), *options])

    found = thresholds("--precision", "0.8")
    assert found.exit_code == 0, found.output
    assert "Undecided, because precision 0.8 cannot be reached: gender\n" in found.output
    assert (run.folder / "thresholds.json").exists()
    assert json.loads(thresholds("--precision", "0.8", "--json").stdout) == contents["precision"]
    assert json.loads(thresholds("--json").stdout) == contents["accuracy"]
    by_f1 = thresholds("--goal", "f1")
    table = by_f1.stdout.splitlines()[1:9]
    assert "F1" in table[1]
    assert "fitted" in table[2]
    assert all(len(line.rstrip()) < 80 and line.rstrip()[-1] in "┓┃┩│┘" for line in table)  # whole at 80 columns
    assert json.loads((run.folder / "thresholds.json").read_text()) == contents["f1"]
    (run.folder / "thresholds.json").unlink()
    assert thresholds("--precision", "1").exit_code == thresholds("--goal", "f1", "--precision", "0.9").exit_code == 2
    missing = CliRunner().invoke(main, ["thresholds", str(run.folder / "none")])
    assert missing.exit_code == 1
    assert not (run.folder / "none").exists()
