"""What each fold of a run trains on: derived from the run folder alone, so equal after any restart."""

from dataclasses import dataclass

import numpy as np

from keras_sister.data.folds import inner_split
from keras_sister.errors import InputError
from keras_sister.run import Run


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


def check_trainable(run: Run, rows: np.ndarray, name: str) -> None:
    """Check that there is something to learn from these photos.

    Raises:
        InputError: if no label of theirs is known, or only labels of photos with the weight 0.
    """
    known = (run.labels[rows] >= 0).any(axis=1)
    if not known.any():
        raise InputError(f"{name}: no label of its training photos is known; too few known labels for these folds.")
    if run.weights is not None and not run.weights[rows][known].any():
        raise InputError(f"{name}: all of its training photos with a known label have the weight 0.")


def fold_split(run: Run, number: int) -> FoldSplit:
    """Split the photos of the other folds for training and for the selection of the epoch.

    The validation split is empty if none of its labels is known.

    Raises:
        InputError: see `check_trainable`.
    """
    labels, name = run.labels, run.fold(number).name
    rest = np.setdiff1d(np.arange(len(labels)), run.folds[number])
    # Folds of one run must not share random numbers; the same fold of two runs with the same seed should.
    seed = int(np.random.default_rng([run.experiment.seed, number]).integers(2**31))
    split = run.split if run.experiment.split else None
    train, validation = inner_split(labels, run.schema, rest, seed=seed, groups=run.groups, split=split)
    check_trainable(run, train, name)
    selects = (labels[validation] >= 0).any()
    return FoldSplit(name, train, validation if selects else validation[:0], seed)
