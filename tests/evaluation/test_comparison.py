from dataclasses import replace

import numpy as np
import pytest

from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.evaluation.comparison import Comparison, compare_systems, group_by_seed
from keras_sister.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from keras_sister.schema import DCSA, Attribute, Schema

from ..run_folder import EXPERIMENT, note_all_checksums, write_run

BASELINE, SISTER = Experiment(), Experiment(system="sister_a", segmenter="masks:masks")


def make(name: str, *, right: float, photos: int = 160, draw: int = 0, experiment: Experiment = BASELINE) -> OutOfFold:
    """Answers of which a share is right; photos and labels are the same for all of them, folds go by the seed."""
    rng = np.random.default_rng(7)
    labels = np.stack([rng.integers(-1, len(a.classes), photos) for a in DCSA], axis=1).astype(np.int8)
    folds = np.split(np.random.default_rng(experiment.seed).permutation(photos), 8)
    hits = np.random.default_rng(draw).random(labels.shape) < right
    answers = np.where(hits & (labels >= 0), labels, labels == 0)
    logits = [answers[:, [i]] - 0.5 if a.is_binary else np.eye(a.n_logits)[answers[:, i]] for i, a in enumerate(DCSA)]
    keys = [(f"{i:06d}.jpg", f"sha256 of {i}") for i in range(photos)]
    return OutOfFold(name, experiment, DCSA, keys, labels, np.concatenate(logits, axis=1), folds)


WORSE = make("worse", right=0.80, draw=1)
BETTER = make("better", right=0.95, draw=2, experiment=SISTER)


def compare_runs(*runs: OutOfFold) -> list[Comparison]:
    return compare_systems(group_by_seed(runs))


def test_the_better_run_is_found_better_by_every_test():
    majority, comparison = compare_runs(WORSE, BETTER)
    assert (comparison.first, comparison.second) == ("worse", "better")
    assert comparison.folds.low > 0
    assert comparison.folds.p < 0.001
    assert comparison.photos.low > 0
    assert all(a.second > a.first for a in comparison.attributes)
    assert majority.first == "majority"
    assert majority.folds.low > 0


def test_turning_the_comparison_round_turns_its_signs():
    forth, back = compare_runs(WORSE, BETTER)[1], compare_runs(BETTER, WORSE)[1]
    assert forth.folds.estimate == pytest.approx(-back.folds.estimate)
    assert forth.photos.low == pytest.approx(-back.photos.high)
    assert [a.p for a in forth.attributes] == [a.p for a in back.attributes]


def test_a_run_does_not_differ_from_itself():
    comparison = compare_runs(BETTER, BETTER)[1]
    assert (comparison.folds.estimate, comparison.folds.p, comparison.photos.low) == (0, 1, 0)
    assert {a.p for a in comparison.attributes} == {1.0}


@pytest.mark.parametrize("system", ["baseline", "sister_a"])
def test_runs_of_one_experiment_from_two_folders_are_one_group(system, tmp_path):
    """Where masks are needed, they are the same if their fingerprint is."""
    runs = []
    for seed, place in enumerate(("here", "there")):
        experiment = replace(EXPERIMENT, system=system, segmenter=f"masks:{tmp_path / place / 'masks'}", seed=seed)
        run = write_run(tmp_path / place / "run", np.tile([[0, 1], [1, 2]], (6, 1)), experiment=experiment)
        run.write("views.json", {**run.views, "fingerprint": "masks:f00d" if system == "sister_a" else None})
        note_all_checksums(run)
        runs.append(read_out_of_fold(run.folder))
    assert [len(group.runs) for group in group_by_seed(runs)] == [2]


OTHER_LABELS = BETTER.labels.copy()
OTHER_LABELS[3, 4] = -1 if OTHER_LABELS[3, 4] >= 0 else 0


@pytest.mark.parametrize(
    ("run", "fault"),
    [
        (replace(BETTER, schema=Schema((*DCSA.attributes[:-1], Attribute("style")))), "schema.*category, style"),
        (replace(BETTER, schema=Schema(DCSA.attributes[::-1])), "schema.*order"),
        (replace(BETTER, labels=OTHER_LABELS), "labels differ.*'skin_exposure' of 000003.jpg"),
        (replace(BETTER, photos=BETTER.photos[:-1]), "159 photos.*160"),
        (replace(BETTER, photos=[*BETTER.photos[:5], ("5.jpg", "other"), *BETTER.photos[6:]]), "photo 5.jpg.*000005"),
        (replace(BETTER, folds=BETTER.folds[:4]), "4 folds.*8"),
        (replace(BETTER, folds=BETTER.folds[::-1]), "--seed"),
        (replace(BETTER, groups=np.array(["a"] * 160)), "better keeps groups of photos together, worse has no groups"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(run, fault):
    with pytest.raises(InputError, match=f"better.*{fault}"):
        compare_runs(WORSE, run)


def seeds_of(name: str, right: float, experiment: Experiment) -> list[OutOfFold]:
    return [
        make(f"{name}-{seed}", right=right, draw=100 * seed + len(name), experiment=replace(experiment, seed=seed))
        for seed in range(3)
    ]


def test_runs_that_differ_in_their_seed_alone_are_one_system():
    baselines, sisters = seeds_of("baseline", 0.85, BASELINE), seeds_of("sister", 0.88, SISTER)
    mixed = [run for pair in zip(baselines, sisters, strict=True) for run in pair]
    groups = group_by_seed(mixed)
    assert [group.runs for group in groups] == [tuple(baselines), tuple(sisters)]
    comparison = compare_systems(groups)[1]
    maccs = np.concatenate([b.fold_maccs() - a.fold_maccs() for a, b in zip(baselines, sisters, strict=True)])
    assert comparison.folds.estimate == pytest.approx(maccs.mean())
    singles = [compare_runs(a, b)[1] for a, b in zip(baselines, sisters, strict=True)]
    assert comparison.photos.estimate == pytest.approx(np.mean([single.photos.estimate for single in singles]))
    widths = [single.folds.high - single.folds.low for single in singles]
    assert comparison.folds.high - comparison.folds.low < max(widths)
    assert comparison.attributes[0].first == pytest.approx(np.mean([s.attributes[0].first for s in singles]))


def test_a_system_without_one_of_the_seeds_is_refused():
    with pytest.raises(InputError, match=r"sister-0 ×2 seeds has seeds \[0, 1\].*\[0, 1, 2\]"):
        compare_runs(*seeds_of("baseline", 0.85, BASELINE), *seeds_of("sister", 0.88, SISTER)[:2])


def test_runs_with_other_groups_are_refused_naming_a_photo():
    groups = np.array([f"P{i // 2}" for i in range(160)])
    other = np.where(np.arange(160) < 3, "Q", groups)
    one, two = replace(WORSE, groups=groups), replace(BETTER, groups=other)
    with pytest.raises(InputError, match=r"3 photos are in other groups, such as 000000\.jpg in 'Q', not 'P0'"):
        compare_runs(one, two)
    with pytest.raises(InputError, match="worse keeps groups of photos together, better has no groups"):
        compare_runs(one, BETTER)


def test_one_fold_is_compared_over_photos_alone():
    """As of an official split: one number of each system has no spread, but the photos have."""
    one, two = (replace(run, folds=[np.arange(160)]) for run in (WORSE, BETTER))
    majority, comparison = compare_runs(one, two)
    assert majority.folds is comparison.folds is None
    whole = compare_runs(WORSE, BETTER)[1]
    assert comparison.photos == whole.photos
    assert comparison.attributes == whole.attributes
    with pytest.raises(InputError, match="better: only one fold has known labels"):
        _ = comparison.over_folds
    known_in_one_fold = np.full_like(WORSE.labels, -1)
    known_in_one_fold[WORSE.folds[3]] = WORSE.labels[WORSE.folds[3]]
    runs = [replace(run, labels=known_in_one_fold) for run in (WORSE, BETTER)]
    assert compare_runs(*runs)[1].folds is None
