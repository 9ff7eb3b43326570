"""The list of suspicious labels, from runs that were written without a training."""

import csv

import numpy as np
import pytest

from keras_sister.errors import InputError
from keras_sister.evaluation import label_issues
from keras_sister.evaluation.label_issues import COLUMNS, flag_labels, read_issues, write_issues
from keras_sister.evaluation.out_of_fold import read_out_of_fold

from ..run_folder import SCHEMA, note_all_checksums, write_run

WRONG = [(3, 0), (17, 0), (40, 1), (77, 1), (101, 1)]
"""Rows and columns of the labels that `noisy_run` has wrong."""


@pytest.fixture(scope="module")
def noisy_run(tmp_path_factory):
    """120 photos whose predictions are right about the truth, and whose labels are wrong where `WRONG` says."""
    rng = np.random.default_rng(3)
    truth = np.stack([rng.integers(0, len(attribute.classes), 120) for attribute in SCHEMA], axis=1)
    labels = truth.copy()
    for row, column in WRONG:
        labels[row, column] = (labels[row, column] + 1) % len(SCHEMA.attributes[column].classes)
    labels[5:12, 0] = -1
    run = write_run(tmp_path_factory.mktemp("runs") / "noisy", labels)
    for number, rows in enumerate(run.folds):
        file = run.fold(number).predictions
        with np.load(file) as saved:
            content = dict(saved)
        noise = rng.normal(0, 0.5, (len(rows), SCHEMA.n_logits))
        certain = np.concatenate([6.0 * truth[rows, :1] - 3, 3 * np.eye(3)[truth[rows, 1]]], axis=1)
        np.savez(file, **content | {"logits": (certain + noise).astype("float32")})
    note_all_checksums(run)
    return run


def test_the_wrong_labels_lead_the_list(noisy_run):
    issues = write_issues(noisy_run)
    places = [(issue.row, SCHEMA.names.index(issue.attribute)) for issue in issues]
    assert set(places[: len(WRONG)]) == set(WRONG)
    flagged = [issue.flagged for issue in issues]
    assert sum(flagged) >= len(WRONG) - 1  # cleanlab removes as many as it estimates
    with (noisy_run.folder / "issues.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["flagged"] for row in rows] == ["yes"] * sum(flagged) + ["no"] * (2 * 120 - 7 - sum(flagged))
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores[: sum(flagged)]) + sorted(scores[sum(flagged) :])
    assert list(read_issues(noisy_run)) == list(issues)
    assert list(issues.flagged) == [issue for issue in issues if issue.flagged]


def test_a_score_is_the_probability_of_the_label_and_the_suggestion_the_likeliest_class(noisy_run):
    ours = read_out_of_fold(noisy_run.folder)
    for issue in write_issues(noisy_run):
        label, logits = ours.labels[issue.row], ours.logits[issue.row].astype(float)
        if issue.attribute == "scarf":
            of_class = np.array([1, 0]) + np.array([-1, 1]) / (1 + np.exp(-logits[0]))
        else:
            of_class = np.exp(logits[1:]) / np.exp(logits[1:]).sum()
        column = SCHEMA.names.index(issue.attribute)
        assert issue.score == pytest.approx(of_class[label[column]], rel=1e-6)
        assert issue.suggested == SCHEMA.attributes[column].classes[of_class.argmax()]
        assert issue.label == SCHEMA.attributes[column].classes[label[column]]
        assert ours.photos[issue.row][0] == issue.photo


def test_labels_of_one_score_stay_in_the_order_of_photos_and_attributes(tmp_path):
    rng = np.random.default_rng(1)
    run = write_run(tmp_path / "run", np.stack([rng.integers(-1, 2, 40), rng.integers(-1, 3, 40)], axis=1))
    for number, rows in enumerate(run.folds):
        with np.load(run.fold(number).predictions) as saved:
            content = dict(saved)
        few = rng.integers(-1, 2, (len(rows), SCHEMA.n_logits)).astype("float32")
        np.savez(run.fold(number).predictions, **content | {"logits": few})
    note_all_checksums(run)
    issues = write_issues(run)
    by_photo = sorted(issues, key=lambda issue: (issue.row, SCHEMA.names.index(issue.attribute)))
    assert 0 < len(issues.flagged) < len(issues) == (run.labels >= 0).sum()
    assert list(issues) == sorted(by_photo, key=lambda issue: (not issue.flagged, f"{issue.score:.6f}"))


def test_cleanlab_is_never_asked_about_an_unknown_label(noisy_run, monkeypatch):
    cleanlab = pytest.importorskip("cleanlab.filter")
    asked, find = [], cleanlab.find_label_issues
    monkeypatch.setattr(cleanlab, "find_label_issues", lambda *a, **k: asked.append(a) or find(*a, **k))
    ours = read_out_of_fold(noisy_run.folder)
    flagged = flag_labels(ours)
    assert [(len(labels), labels.min()) for labels, _ in asked] == [(120 - 7, 0), (120, 0)]
    assert not flagged[~ours.known].any()


def test_an_attribute_with_one_known_class_or_hardly_a_label_is_not_flagged(tmp_path):
    labels = np.array([[1, 2], [1, -1], [-1, 0], [1, 0], [1, 0], [-1, 0]])
    issues = write_issues(write_run(tmp_path / "run", labels))
    assert len(issues) == (labels >= 0).sum()
    assert not any(issue.flagged for issue in issues if issue.attribute == "scarf")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(",yes,no,", ",no,yes,", 1),  # label and suggestion swapped
        lambda text: text[: text.rindex("\n", 0, -1) + 1],  # the last row is lost
        lambda text: text.replace("score", "probability"),
        lambda text: text + text.splitlines()[-1] + "\n",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(",no\n", ",maybe\n", 1),
        lambda text: text.replace("0.9", "0.8", 1),
        lambda text: text.replace("0.9", "nan", 1),
        lambda text: "",
    ],
)
def test_a_changed_list_is_refused_and_named(noisy_run, damage):
    write_issues(noisy_run)
    file = noisy_run.folder / "issues.csv"
    text = file.read_text()
    file.write_text(damage(text))
    assert damage(text) != text
    with pytest.raises(InputError, match=r"issues\.csv: does not follow .*data review"):
        read_issues(noisy_run)
    file.write_text(text)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(",yes\n", ",no\n", 1),  # a flag
        lambda text: "".join([*text.splitlines(keepends=True)[:1], *reversed(text.splitlines(keepends=True)[1:])]),
    ],
)
def test_a_change_that_contradicts_no_prediction_is_noticed(noisy_run, damage):
    """cleanlab, which flagged the labels, may be another version now, or missing."""
    write_issues(noisy_run)
    file = noisy_run.folder / "issues.csv"
    text = file.read_text()
    assert damage(text) != text
    file.write_text(damage(text))
    with pytest.raises(InputError, match=r"issues\.csv: not as it was written; .*data review"):
        read_issues(noisy_run)
    file.write_text(text)
    (noisy_run.folder / "checksums.json").write_text("[1]")
    for use in (read_issues, write_issues):
        with pytest.raises(InputError, match=r"checksums\.json: not the file of a run"):
            use(noisy_run)
    (noisy_run.folder / "checksums.json").unlink()
    with pytest.raises(InputError, match=r"issues\.csv: not as it was written; it or checksums\.json"):
        read_issues(noisy_run)
    write_issues(noisy_run)
    read_issues(noisy_run)


def test_photos_in_several_folders_keep_apart(tmp_path):
    photos = tuple(tmp_path / "shop" / name for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg"))
    issues = write_issues(write_run(tmp_path / "run", np.array([[0, 1], [1, 0], [0, 2]]), photos=photos))
    assert {issue.photo for issue in issues} == {"a/1.jpg", "b/1.jpg", "b/2.jpg"}


def test_without_cleanlab_one_line_says_how_to_install_it(noisy_run, monkeypatch):
    def missing(packages, what, extra):
        raise InputError(f"{what}. {packages} {extra}")

    monkeypatch.setattr(label_issues, "require", missing)
    with pytest.raises(InputError, match=r"issues\.csv, needs cleanlab\. \('cleanlab',\) review"):
        flag_labels(read_out_of_fold(noisy_run.folder))
