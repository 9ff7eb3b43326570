from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from keras_sister.errors import InputError
from keras_sister.evaluation.paired import bootstrap_gains, bootstrap_macc
from keras_sister.evaluation.robustness import (
    BACKGROUNDS,
    Changed,
    Robustness,
    check_unchanged,
    compare_background_swaps,
    draw_backgrounds,
    has_robustness,
    read_robustness,
    score_changes,
)
from keras_sister.evaluation.summary import read_summary, summarize

from ..run_folder import SCHEMA, note_all_checksums, write_run


@pytest.fixture
def run(tmp_path):
    """A run of 30 photos in 3 folds with predictions for changed photos; nobody was found in photos 0 and 7."""
    rng = np.random.default_rng(3)
    labels = np.stack([rng.integers(-1, 2, 30), rng.integers(-1, 3, 30)], axis=1)
    run = write_run(tmp_path / "run", labels)
    usable = ~np.isin(np.arange(30), [0, 7])
    for number, rows in enumerate(run.folds):
        own = np.load(run.fold(number).predictions)["logits"]
        np.savez(
            run.fold(number).robustness,
            rows=rows,
            fingerprints=["masks"],
            logits=own + 0.001,
            backgrounds=draw_backgrounds(rows, usable, None, seed=0),
            swapped=own + rng.normal(size=(BACKGROUNDS, *own.shape)).astype("float32"),
            eroded=own,
        )
    note_all_checksums(run)
    return run


def test_backgrounds_are_other_photos_of_the_fold_in_which_a_person_was_found():
    rows, usable = np.arange(3, 40), np.random.default_rng(0).random(50) < 0.7
    found = draw_backgrounds(rows, usable, None, seed=4)
    np.testing.assert_array_equal(found >= 0, np.broadcast_to(usable[rows], found.shape))
    for row, others in zip(rows[usable[rows]], found.T[usable[rows]], strict=True):
        assert row not in others
        assert len(set(others)) == BACKGROUNDS
        assert usable[others].all()
        assert set(others) <= set(rows)
    np.testing.assert_array_equal(draw_backgrounds(rows, usable, None, seed=4), found)
    assert (draw_backgrounds(rows, usable, None, seed=5) != found).any()


def test_backgrounds_are_of_other_groups():
    groups = np.repeat(["a", "b", "c"], 10)
    found = draw_backgrounds(np.arange(30), np.ones(30, bool), groups, seed=0)
    assert (groups[found] != groups).all()
    assert (draw_backgrounds(np.arange(10), np.ones(30, bool), groups, seed=0) == -1).all()  # one group alone


def test_few_backgrounds_come_twice_and_none_is_said():
    assert set(draw_backgrounds(np.array([2, 5]), np.ones(6, bool), None, seed=0)[:, 0]) == {5}
    assert (draw_backgrounds(np.array([2]), np.ones(6, bool), None, seed=0) == -1).all()


def test_scores_are_those_of_the_files(run):
    found = summarize(run, robustness=True)["robustness"]
    labels, changed = run.labels, np.zeros((BACKGROUNDS, 30, SCHEMA.n_logits))
    own = np.zeros((30, SCHEMA.n_logits))
    for number, rows in enumerate(run.folds):
        saved = np.load(run.fold(number).robustness)
        changed[:, rows], own[rows] = saved["swapped"], saved["logits"]
    rows = np.setdiff1d(np.arange(30), [0, 7])

    def macc(logits, rows):
        scores = []
        for i in range(len(SCHEMA)):
            k = rows[labels[rows, i] >= 0]
            scores.append(np.mean([accuracy_score(labels[k, i], SCHEMA.predict(one)[k, i]) for one in logits]))
        return np.mean(scores)

    swap = found["background_swap"]
    assert swap["photos"] == 28
    assert swap["macc"]["pooled"] == pytest.approx(macc(changed, rows))
    assert swap["unchanged"] == pytest.approx(macc([own], rows))
    assert swap["change"]["estimate"] == pytest.approx(macc(changed, rows) - macc([own], rows))
    folds = [macc(changed, np.intersect1d(fold, rows)) for fold in run.folds]
    assert swap["macc"]["mean"] == pytest.approx(np.mean(folds))
    assert swap["macc"]["std"] == pytest.approx(np.std(folds, ddof=1))
    moved = np.mean([SCHEMA.predict(one) != SCHEMA.predict(own) for one in changed], axis=0)[rows]
    assert swap["tags_changed"]["per_photo"] == pytest.approx(moved.sum(axis=1).mean())
    assert list(swap["tags_changed"]["attributes"].values()) == pytest.approx(moved.mean(axis=0))
    for score in (swap["macc"], swap["change"], swap["tags_changed"]):
        low, high = score["interval"]
        assert low < score.get("pooled", score.get("estimate", score.get("per_photo"))) < high
    eroded = found["masks"]["eroded"]
    assert eroded["photos"] == 30
    assert eroded["tags_changed"]["per_photo"] == 0
    assert eroded["change"] == {"estimate": 0, "interval": [0, 0]}
    assert list(found["masks"]) == ["eroded"]


def test_the_stored_summary_must_follow_from_the_files(run):
    assert "robustness" not in read_summary(run)
    run.write("summary.json", summarize(run, robustness=True))
    assert read_summary(run)["robustness"]["background_swap"]["photos"] == 28
    stored = run.read("summary.json")
    stored["robustness"]["background_swap"]["tags_changed"]["per_photo"] -= 0.01
    run.write("summary.json", stored)
    with pytest.raises(InputError, match="does not follow"):
        read_summary(run)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rows", lambda rows: rows[::-1], "not of this fold's photos"),
        ("logits", lambda logits: logits + 1, "weights do not give the predictions"),
        ("swapped", lambda logits: logits * np.nan, "damaged"),
        ("swapped", lambda logits: logits[:1], "not of this fold's photos"),
        ("swapped", lambda logits: logits[:, 1:], "damaged"),
        ("backgrounds", lambda rows: rows + 1, "not of this fold's photos"),
        ("fingerprints", lambda _: ["others"], "other masks"),
    ],
)
def test_files_that_do_not_match_are_refused(run, name, change, message):
    file = run.fold(1).robustness
    content = dict(np.load(file))
    np.savez(file, **{**content, name: change(content[name])})
    with pytest.raises(InputError, match=rf"fold-01.*({message}|robustness\.npz: not as it was written)"):
        read_robustness(run)
    note_all_checksums(run)
    with pytest.raises(InputError, match=message) as refused:
        read_robustness(run)
    assert "fold-01" in str(refused.value)
    assert "--resume" in str(refused.value)


def test_a_change_that_contradicts_nothing_is_named(run):
    """Scores of it would be wrong, and removing summary.json would not show them."""
    file = run.fold(1).robustness
    content = dict(np.load(file))
    np.savez(file, **{**content, "eroded": content["eroded"][::-1]})
    for read in (read_robustness, lambda run: summarize(run, robustness=True)):
        with pytest.raises(InputError, match=r"fold-01.robustness\.npz: not as it was written.*--resume --robustness"):
            read(run)


def test_a_damaged_or_missing_file_is_named(run):
    assert has_robustness(run)
    run.fold(2).robustness.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"fold-02/robustness.npz: damaged"):
        read_robustness(run)
    run.fold(2).robustness.unlink()
    assert not has_robustness(run)
    with pytest.raises(InputError, match=r"fold-02/robustness.npz: is missing"):
        read_robustness(run)


def test_no_changed_photo_has_no_scores_and_unknown_labels_only_tags(run):
    swap = read_robustness(run).background_swap
    assert score_changes([replace(swap, applies=np.zeros(30, bool))]) is None
    unknown = score_changes([Changed(replace(swap.run, labels=np.full((30, 2), -1)), swap.applies, swap.logits)])
    assert unknown["macc"]["mean"] is None
    assert unknown["change"] == {"estimate": None, "interval": None}
    assert unknown["tags_changed"] == score_changes([swap])["tags_changed"]


def test_two_systems_are_compared_on_the_same_backgrounds(run):
    first = read_robustness(run)
    holds = replace(first.background_swap, logits=np.stack([first.background_swap.run.logits] * BACKGROUNDS))
    second = Robustness("masks", first.backgrounds, holds, {})
    found = compare_background_swaps([first], [second])
    scores = [score_changes([x.background_swap]) for x in (first, second)]
    assert found.macc.estimate == pytest.approx(scores[1]["macc"]["pooled"] - scores[0]["macc"]["pooled"])
    assert found.tags_changed.estimate == pytest.approx(-scores[0]["tags_changed"]["per_photo"])
    assert found.tags_changed.low < found.tags_changed.estimate < found.tags_changed.high
    with pytest.raises(InputError, match="another segmenter"):
        compare_background_swaps([first], [replace(second, fingerprint="others")])


def test_one_bootstrap_of_several_quantities_is_several_bootstraps():
    rng = np.random.default_rng(0)
    known, groups = rng.random((50, 3)) < 0.8, rng.integers(0, 20, 50)
    first, second = rng.random((2, 50, 3)) < 0.6
    both = bootstrap_gains(known, [first * 1.0, first * 1.0 - second], groups=groups, resamples=600)
    assert both[0] == bootstrap_macc(known, first, first & False, groups=groups, resamples=600)
    assert both[1] == bootstrap_macc(known, first, second, groups=groups, resamples=600)


def test_small_differences_between_processors_are_allowed(run):
    stored = np.load(run.fold(0).predictions)["logits"]
    check_unchanged(run, 0, stored * 1.01, stored)
    with pytest.raises(InputError, match="fold-00"):
        check_unchanged(run, 0, stored[::-1], stored)
