"""A run's out-of-fold predictions as one table: every photo once, answered by a model that had not seen it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.scores import accuracies, macc, majority
from keras_sister.training.run import Run


@dataclass(frozen=True)
class Predictions:
    """What a run answered, or what always answering the majority class would have.

    Attributes:
        name: of the run, to be shown.
        experiment: its settings.
        schema: of the labels.
        photos: for every photo its file name and the SHA-256 of its bytes.
        labels: int8 array, shape (photos, attributes), −1 = unknown.
        logits: float32 array, shape (photos, schema.n_logits).
        folds: the photos of every fold, index arrays.
    """

    name: str
    experiment: Experiment
    schema: Schema
    photos: list[tuple[str, str]]
    labels: np.ndarray
    logits: np.ndarray
    folds: list[np.ndarray]

    @cached_property
    def answers(self) -> np.ndarray:
        """The predicted classes: int8 array of the labels' shape."""
        return self.schema.predict(self.logits)

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
    logits = np.zeros((len(labels), schema.n_logits), np.float32)
    for fold, rows in enumerate(folds):
        file = folder / f"fold-{fold:02d}" / "predictions.npz"
        if not file.exists():
            raise InputError(f"{folder}: fold {fold} of {len(folds)} is missing; finish the run with 'cv --resume'.")
        with np.load(file, allow_pickle=False) as saved:
            logits[rows] = saved["logits"]
    names = [photo.name for photo in run.photos]
    photos = list(zip(names, run.read("views.json")["keys"], strict=True))
    return Predictions(folder.name or str(folder), run.experiment, schema, photos, labels, logits, folds)


def majority_answers(run: Predictions) -> Predictions:
    """What always answering the class most frequent among a fold's training photos would have scored."""
    logits = np.zeros_like(run.logits)
    for rows in run.folds:
        logits[rows] = _certain(run.schema, majority(run.schema, np.delete(run.labels, rows, axis=0)))
    return replace(run, name="majority", logits=logits)


def _certain(schema: Schema, classes: np.ndarray) -> np.ndarray:
    """Logits that `Schema.predict` turns into `classes`: shape (n_logits,)."""
    return np.concatenate(
        [[2.0 * c - 1] if a.is_binary else np.eye(a.n_logits)[c] for a, c in zip(schema, classes, strict=True)]
    )
