"""Does a model look at the person? Scores of its predictions with other backgrounds, and with wrong masks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import CHECKSUMS, is_as_noted
from keras_sister.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from keras_sister.evaluation.paired import Difference, bootstrap_gains
from keras_sister.run import Run
from keras_sister.schema import Schema
from keras_sister.storage.regular_files import check_regular

BACKGROUNDS = 3
"""Other backgrounds that each person is shown in front of."""

MASK_CHANGES = ("eroded", "dilated", "nobody", "other_segmenter")
"""Wrong masks, for systems that take masks; the last if another segmenter was given."""

_RESAMPLES = 2_000


@dataclass(frozen=True)
class Changed:
    """Predictions of a run for changed photos, beside those for the photos as they are.

    Attributes:
        run: the run; its logits are those of the unchanged photos.
        applies: bool array, shape (photos,): the photos that could be changed. The others are left out of all scores.
        logits: float32 array, shape (repetitions, photos, n_logits).
    """

    run: OutOfFold
    applies: np.ndarray
    logits: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Share of the repetitions with a correct prediction: float array, shape (photos, attributes)."""
        return np.mean([self.run.labels == self.run.schema.predict(logits) for logits in self.logits], axis=0)

    @property
    def tags_changed(self) -> np.ndarray:
        """Share of the repetitions that give another tag: float array, shape (photos, attributes)."""
        return np.mean([self.run.predicted != self.run.schema.predict(logits) for logits in self.logits], axis=0)


@dataclass(frozen=True)
class Robustness:
    """Predictions of a run for changed photos.

    Attributes:
        fingerprint: what made the masks that cut persons out.
        backgrounds: int64 array, shape (BACKGROUNDS, photos): the row, among all photos of the run, whose background
            each photo got; −1 for none.
        background_swap: persons in front of other photos' backgrounds.
        masks: predictions with wrong masks, by name of `MASK_CHANGES`; empty for systems without masks.
    """

    fingerprint: str
    backgrounds: np.ndarray
    background_swap: Changed
    masks: dict[str, Changed]


def draw_backgrounds(rows: np.ndarray, usable: np.ndarray, groups: np.ndarray | None, *, seed: int) -> np.ndarray:
    """Draw the photos whose backgrounds the persons of a fold get: other photos of that fold, of other groups.

    So the model was trained on neither. The draw depends on seed, rows and masks alone: systems with the same folds and
    masks get the same backgrounds.

    Args:
        rows: the photos of the fold.
        usable: bool array, shape (all photos,): a person was found, and there is some background.
        groups: array, shape (all photos,), or None.
        seed: random seed.

    Returns:
        int64 array, shape (BACKGROUNDS, len(rows)): rows of photos, different ones where the fold has enough; −1 for a
        photo that is not usable, or for which the fold has no other background.

    Example:
        >>> draw_backgrounds(np.array([2, 5]), np.ones(6, bool), None, seed=0)
        array([[5, 2],
               [5, 2],
               [5, 2]])
    """
    found = np.full((BACKGROUNDS, len(rows)), -1, np.int64)
    for column, row in enumerate(rows):
        others = rows[usable[rows] & (rows != row)]
        if groups is not None:
            others = others[groups[others] != groups[row]]
        if usable[row] and len(others):
            rng = np.random.default_rng([seed, row])
            found[:, column] = rng.choice(others, BACKGROUNDS, replace=len(others) < BACKGROUNDS)
    return found


def has_robustness(run: Run) -> bool:
    """Whether all folds of a run have predictions for changed photos."""
    return all(run.fold(number).robustness.exists() for number in range(len(run.folds)))


def read_robustness(run: Run) -> Robustness:
    """Read the predictions for changed photos.

    Each fold's ``robustness.npz`` holds ``rows``; ``fingerprints`` of what made the masks; ``logits`` of the unchanged
    photos, predicted anew; ``backgrounds`` and ``swapped``, see `Robustness`; and logits for each of `MASK_CHANGES`.

    Raises:
        InputError: if a fold's file is missing or damaged, or does not match the fold or the others, naming it.
    """
    tested = read_out_of_fold(run.folder)
    photos, logits = len(tested.labels), tested.schema.n_logits
    arrays: dict[str, np.ndarray] = {}
    fingerprints: list[str] = []
    for number, (compact, rows) in enumerate(zip(tested.folds, run.folds, strict=True)):
        fold = _read_fold(run, number, tested.schema, rows, tested.logits[compact])
        fingerprints = fingerprints or fold["fingerprints"].tolist()
        if fold["fingerprints"].tolist() != fingerprints or (arrays and not arrays.keys() <= fold.keys()):
            raise _unusable(run, number, "made with other masks than the other folds'")
        for name in ("backgrounds", "swapped", "logits", *(name for name in MASK_CHANGES if name in fold)):
            shape = {"backgrounds": (BACKGROUNDS, photos), "swapped": (BACKGROUNDS, photos, logits)}
            arrays.setdefault(name, np.zeros(shape.get(name, (photos, logits)), fold[name].dtype))
            if name in shape:
                arrays[name][:, compact] = fold[name]
            else:
                arrays[name][compact] = fold[name]
    own = replace(tested, logits=arrays["logits"])
    everywhere = np.ones(photos, bool)
    return Robustness(
        fingerprints[0],
        arrays["backgrounds"],
        Changed(own, np.all(arrays["backgrounds"] >= 0, axis=0), arrays["swapped"]),
        {name: Changed(own, everywhere, arrays[name][None]) for name in MASK_CHANGES if name in arrays},
    )


def check_unchanged(run: Run, number: int, logits: np.ndarray, stored: np.ndarray) -> None:
    """Check that a fold's model, loaded again, predicts what the fold's file holds.

    Args:
        run, number: the fold.
        logits: predicted by the loaded model: float32 array, shape (photos, n_logits).
        stored: those in ``predictions.npz``.

    Raises:
        InputError: if they differ by more than processors do in 16 bits.
    """
    if not np.allclose(logits, stored, rtol=0.05, atol=0.1):
        fold = run.fold(number)
        raise InputError(
            f"{fold.folder}: its weights do not give the predictions in {fold.predictions.name}; remove the folder and"
            " run the command again with --resume."
        )


def _read_fold(run: Run, number: int, schema: Schema, rows: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays in a fold's file, checked: finite logits of these photos, backgrounds of the same fold."""
    file = run.fold(number).robustness
    if not file.exists():
        raise InputError(f"{file}: is missing; run the command again with --resume --robustness.")
    try:
        check_regular(file)
        with file.open("rb") as contents, np.load(contents, allow_pickle=False) as saved:
            fold = {name: saved[name] for name in saved.files}
        shape = (len(rows), schema.n_logits)
        for name in ("logits", *(name for name in MASK_CHANGES if name in fold)):
            if schema.check_logits(fold[name]).shape != shape:
                raise ValueError(name)
        for logits in fold["swapped"]:
            if schema.check_logits(logits).shape != shape:
                raise ValueError("swapped")
        backgrounds = fold["backgrounds"]
        is_whole = (
            np.array_equal(fold["rows"], rows)
            and len(fold["swapped"]) == BACKGROUNDS
            and backgrounds.shape == (BACKGROUNDS, len(rows))
            and np.isin(backgrounds, [-1, *rows]).all()
            and len(fold["fingerprints"]) > 0
        )
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise _unusable(run, number, "damaged") from error
    if not is_whole:
        raise _unusable(run, number, "not of this fold's photos")
    if not is_as_predicted(run, number):
        raise _unusable(run, number, f"not as it was written; it or {CHECKSUMS} was changed or damaged")
    check_unchanged(run, number, fold["logits"], predicted)
    return fold


def is_as_predicted(run: Run, number: int) -> bool:
    """Whether a fold's file of predictions for changed photos is the one that was written last.

    Runs of the first versions have no checksums, and nothing is known of theirs.
    """
    file = run.fold(number).robustness
    return not file.with_name(CHECKSUMS).exists() or is_as_noted(file)


def _unusable(run: Run, number: int, what: str) -> InputError:
    return InputError(
        f"{run.fold(number).robustness}: {what}; remove it and run the command again with --resume --robustness."
    )


def summarize_robustness(run: Run) -> dict[str, Any]:
    """Score a run's predictions for changed photos: ``robustness`` in ``summary.json``; see `score_group`.

    Raises:
        InputError: as `read_robustness` does.
    """
    return score_group([read_robustness(run)])


def score_group(runs: Sequence[Robustness]) -> dict[str, Any]:
    """Score the predictions of one system for changed photos, mean over its runs, which differ in their seed.

    Returns:
        ``backgrounds``, the number of them for each person; ``background_swap``, and ``masks`` by name, each the scores
        of `score_changes`.
    """
    return {
        "backgrounds": BACKGROUNDS,
        "background_swap": score_changes([run.background_swap for run in runs]),
        "masks": {name: score_changes([run.masks[name] for run in runs]) for name in _common(runs)},
    }


def _common(runs: Sequence[Robustness]) -> list[str]:
    return [name for name in MASK_CHANGES if all(name in run.masks for run in runs)]


def score_changes(runs: Sequence[Changed]) -> dict[str, Any] | None:
    """Score predictions for changed photos, over the photos that the change applies to.

    Args:
        runs: one, or several that differ in their seed only, of which the mean is scored.

    Returns:
        None if no photo could be changed, else

        - ``photos``, the number of them;
        - ``macc`` of the changed photos: ``mean`` and ``std`` over the folds, ``pooled`` and its ``interval``, as in
          `keras_sister.evaluation.summary.summarize`; all null if no label of these photos is known;
        - ``unchanged``: the pooled MACC of the same photos as they are;
        - ``change``: ``macc.pooled`` minus ``unchanged``, with its ``interval`` (paired bootstrap);
        - ``tags_changed``: ``per_photo``, how many of a photo's tags change, with its ``interval``, and the share
          of photos whose tag changes, by ``attributes``. It needs no labels.
    """
    applies = _all_apply(runs)
    if not applies.any():
        return None
    tags = np.mean([run.tags_changed for run in runs], axis=0)
    groups, names = runs[0].run.groups, runs[0].run.schema.names
    everywhere = np.repeat(applies[:, None], len(names), axis=1)
    (moved,) = bootstrap_gains(everywhere, [tags], groups=groups, resamples=_RESAMPLES)
    return {
        "photos": int(applies.sum()),
        **_macc(runs, applies),
        "tags_changed": {
            "per_photo": len(names) * moved.estimate,
            "interval": [len(names) * moved.low, len(names) * moved.high],
            "attributes": dict(zip(names, tags[applies].mean(axis=0).tolist(), strict=True)),
        },
    }


def _macc(runs: Sequence[Changed], applies: np.ndarray) -> dict[str, Any]:
    known = runs[0].run.known & applies[:, None]
    if not known.any():
        nothing = dict.fromkeys(("mean", "std", "pooled", "interval"))
        return {"macc": nothing, "unchanged": None, "change": {"estimate": None, "interval": None}}
    after, before = _correct(runs), np.mean([run.run.correct for run in runs], axis=0)
    pooled, own, change = bootstrap_gains(
        known, [after, before, after - before], groups=runs[0].run.groups, resamples=_RESAMPLES
    )
    folds = np.array([_fold_macc(run.correct[rows], known[rows]) for run in runs for rows in run.run.folds])
    folds = folds[np.isfinite(folds)]
    return {
        "macc": {
            "mean": float(folds.mean()),
            "std": float(folds.std(ddof=1)) if len(folds) > 1 else None,
            "pooled": pooled.estimate,
            "interval": [pooled.low, pooled.high],
        },
        "unchanged": own.estimate,
        "change": {"estimate": change.estimate, "interval": [change.low, change.high]},
    }


def _fold_macc(correct: np.ndarray, known: np.ndarray) -> float:
    """Mean over the attributes with a known label of their accuracies; NaN if there is none."""
    total = known.sum(axis=0)
    hits = np.where(known, correct, 0).sum(axis=0)
    return float(np.mean(hits[total > 0] / total[total > 0])) if total.any() else float("nan")


def _correct(runs: Sequence[Changed]) -> np.ndarray:
    return np.mean([run.correct for run in runs], axis=0)


def _all_apply(runs: Sequence[Changed]) -> np.ndarray:
    return np.all([run.applies for run in runs], axis=0)


@dataclass(frozen=True)
class SwapComparison:
    """How two systems hold when each person gets the same other backgrounds.

    Attributes:
        macc: MACC with other backgrounds, of the second minus the first, by the paired bootstrap.
        tags_changed: tags changed per photo, of the second minus the first, likewise.
    """

    macc: Difference | None
    tags_changed: Difference

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and numbers, for JSON."""
        return asdict(self)


def compare_background_swaps(first: Sequence[Robustness], second: Sequence[Robustness]) -> SwapComparison | None:
    """Compare two systems with the same photos, folds and seeds: their runs in the order of the seeds.

    Returns:
        None if no photo could be changed; `SwapComparison.macc` is None if no label of those is known.

    Raises:
        InputError: if the persons were cut out by other masks, or got other backgrounds.
    """
    for ours, theirs in zip(first, second, strict=True):
        same = ours.fingerprint == theirs.fingerprint and np.array_equal(ours.backgrounds, theirs.backgrounds)
        if not same:
            names = [x.background_swap.run.name for x in (theirs, ours)]
            raise InputError(
                f"{names[0]}: its persons were cut out by another segmenter than those of {names[1]}; run 'cv --resume"
                " --robustness' with one --segmenter for both."
            )
    before, after = ([run.background_swap for run in runs] for runs in (first, second))
    applies, run = _all_apply(before), before[0].run
    if not applies.any():
        return None
    tags = np.mean([run.tags_changed for run in after], axis=0) - np.mean([run.tags_changed for run in before], axis=0)
    everywhere = np.repeat(applies[:, None], len(run.schema), axis=1)
    (moved,) = bootstrap_gains(everywhere, [tags], groups=run.groups, resamples=_RESAMPLES)
    known, macc = run.known & applies[:, None], None
    if known.any():
        gain = _correct(after) - _correct(before)
        (macc,) = bootstrap_gains(known, [gain], groups=run.groups, resamples=_RESAMPLES)
    count = len(run.schema)
    return SwapComparison(macc, Difference(count * moved.estimate, count * moved.low, count * moved.high))
