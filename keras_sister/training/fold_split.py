"""The folds of a cross-validation, and what each trains on: derived from the run alone, so equal after any restart."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.folds import check_trainable, inner_split, official_test, stratified_folds
from keras_sister.errors import InputError, counted
from keras_sister.run import Run

_MANY_PHOTOS = 100


@dataclass(frozen=True)
class FoldSplit:
    """The photos of one training.

    Attributes:
        name: of the fold, for errors.
        train: rows to train on.
        validation: rows that select the epoch; empty keeps the last epoch.
        seed: random seed of initial weights, order and augmentation.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    seed: int


def draw_folds(data: Dataset | Run, experiment: Experiment) -> list[np.ndarray]:
    """The photos of each fold; with ``experiment.split`` the test photos of the official split are the only one.

    Raises:
        InputError: if there are too few photos; see `keras_sister.data.folds`.
    """
    if experiment.split:
        folds = [official_test(data.split, data.groups)]
    else:
        folds = stratified_folds(
            data.labels, data.schema, folds=experiment.folds, seed=experiment.seed, groups=data.groups
        )
    photos = len(data.labels)
    if photos - max(map(len, folds)) < 2:
        raise InputError(
            f"{counted(photos, 'photo')}: too few for {len(folds)} folds, each of which trains on 2 or more."
        )
    return folds


def check_folds(dataset: Dataset, experiment: Experiment) -> None:
    """Check that folds can be drawn.

    For many photos without groups they always can, and are not drawn here: scikit-learn takes a second to import.

    Raises:
        InputError: see `draw_folds`.
    """
    many = max(_MANY_PHOTOS, 2 * experiment.folds)  # each standing alone, they fill every fold
    if experiment.split or dataset.groups is not None or len(dataset) < many:
        draw_folds(dataset, experiment)


def write_folds(run: Run) -> None:
    """Write ``folds.json``, when it is known which photos are left out.

    Raises:
        InputError: see `draw_folds`.
    """
    run.write("folds.json", [fold.tolist() for fold in draw_folds(run, run.experiment)])


def fold_splits(run: Run, numbers: Iterable[int] | None = None) -> list[FoldSplit]:
    """Split the photos of the other folds for training and for the selection of the epoch.

    The validation split is empty if none of its labels is known.

    Args:
        run: with ``folds.json`` in place.
        numbers: the folds to split for, counted from 0; all by default.

    Raises:
        InputError: see `keras_sister.data.folds.check_trainable`.
    """
    folds, labels, schema, weights, groups = run.folds, run.labels, run.schema, run.weights, run.groups
    experiment, splits = run.experiment, []
    official = run.split if experiment.split else None
    for number in range(len(folds)) if numbers is None else numbers:
        rest, name = np.setdiff1d(np.arange(len(labels)), folds[number]), run.fold(number).name
        # Folds of one run must not share random numbers; the same fold of two runs with the same seed should.
        seed = int(np.random.default_rng([experiment.seed, number]).integers(2**31))
        train, validation = inner_split(labels, schema, rest, seed=seed, groups=groups, split=official)
        check_trainable(labels[train], None if weights is None else weights[train], name)
        selects = (labels[validation] >= 0).any()
        splits.append(FoldSplit(name, train, validation if selects else validation[:0], seed))
    return splits
