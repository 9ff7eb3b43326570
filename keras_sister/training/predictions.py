"""A run's out-of-fold predictions as one table: every photo once, answered by a model that had not seen it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.scores import accuracies, macc, majority
from keras_sister.training.run import Run


@dataclass(frozen=True)
class Predictions:
    """What a run answered, or what always answering the majority class would have.

    Attributes:
        name: of the run, to be shown.
        schema: of the labels.
        labels: int8 array, shape (photos, attributes), −1 = unknown.
        answers: int8 array of the same shape: the predicted classes.
        folds: the photos of every fold, index arrays.
    """

    name: str
    schema: Schema
    labels: np.ndarray
    answers: np.ndarray
    folds: list[np.ndarray]

    @property
    def known(self) -> np.ndarray:
        """Which labels are known: bool array, shape (photos, attributes)."""
        return self.labels >= 0

    @property
    def right(self) -> np.ndarray:
        """Which answers are right: bool array, shape (photos, attributes); false where the label is unknown."""
        return self.labels == self.answers

    def accuracies(self) -> dict[str, float]:
        """The accuracy of every attribute over all photos with a known label."""
        return accuracies(self.schema, self.labels, self.answers)

    def fold_maccs(self) -> np.ndarray:
        """The MACC of every fold: float array, shape (folds,)."""
        return np.array([macc(accuracies(self.schema, self.labels[f], self.answers[f])) for f in self.folds])


def read(folder: Path) -> Predictions:
    """The predictions of a cross-validation that has ended.

    Raises:
        InputError: if `folder` is no run, or one that has not ended.
    """
    run = Run(folder)
    schema, labels, folds = run.schema, run.labels, run.folds
    answers = np.zeros_like(labels)
    for fold, rows in enumerate(folds):
        file = folder / f"fold-{fold:02d}" / "predictions.npz"
        if not file.exists():
            raise InputError(f"{folder}: fold {fold} of {len(folds)} is missing; finish the run with 'cv --resume'.")
        with np.load(file, allow_pickle=False) as saved:
            answers[rows] = schema.predict(saved["logits"])
    return Predictions(folder.name or str(folder), schema, labels, answers, folds)


def majority_answers(run: Predictions) -> Predictions:
    """What always answering the class most frequent among a fold's training photos would have scored."""
    answers = np.zeros_like(run.labels)
    for rows in run.folds:
        answers[rows] = majority(run.schema, np.delete(run.labels, rows, axis=0))
    return Predictions("majority", run.schema, run.labels, answers, run.folds)
