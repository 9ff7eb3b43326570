"""The out-of-fold predictions of a run: each photo predicted by the model that was not trained on it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.evaluation.scores import accuracies, macc, majority_classes
from keras_sister.run import Run
from keras_sister.schema import Schema


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions of a run, or of the constant that predicts the majority class.

    Attributes:
        name: name of the run, for display.
        experiment: its settings.
        schema: attributes and classes.
        photos: file name and SHA-256 of every photo.
        labels: int8 array, shape (photos, attributes), −1 = unknown.
        logits: float32 array, shape (photos, schema.n_logits).
        folds: the photos of every fold, index arrays.
        groups: array of text, shape (photos,): photos of one group, such as one product, are not independent; None if
            every photo stands alone.
        untested: labels of the training photos of an official split, which no fold tests: int8 array (photos,
            attributes); None without them. Above are the tested photos only.
    """

    name: str
    experiment: Experiment
    schema: Schema
    photos: list[tuple[str, str]]
    labels: np.ndarray
    logits: np.ndarray
    folds: list[np.ndarray]
    groups: np.ndarray | None = None
    untested: np.ndarray | None = None

    @cached_property
    def predicted(self) -> np.ndarray:
        """Predicted classes: int8 array of the shape of `labels`."""
        return self.schema.predict(self.logits)

    @property
    def known(self) -> np.ndarray:
        """Known labels: bool array, shape (photos, attributes)."""
        return self.labels >= 0

    @property
    def correct(self) -> np.ndarray:
        """Correct predictions: bool array, shape (photos, attributes); false where the label is unknown."""
        return self.labels == self.predicted

    def accuracies(self) -> dict[str, float]:
        """Accuracy of every attribute over all photos with a known label."""
        return accuracies(self.schema, self.labels, self.predicted)

    def fold_maccs(self) -> np.ndarray:
        """MACC of every fold: float array, shape (folds,)."""
        return np.array([macc(accuracies(self.schema, self.labels[f], self.predicted[f])) for f in self.folds])


def read_out_of_fold(folder: Path) -> OutOfFold:
    """Read the out-of-fold predictions of a finished cross-validation.

    Raises:
        InputError: if `folder` is not a run, or its cross-validation has not ended.

    Example:
        >>> read_out_of_fold(Path("runs/sister_a")).fold_maccs().mean()
        0.784
    """
    run = Run(folder)
    schema, labels, folds = run.schema, run.labels, run.folds
    logits = np.zeros((len(labels), schema.n_logits), np.float32)
    for number, rows in enumerate(folds):
        file = run.fold(number).predictions
        if not file.exists():
            raise InputError(f"{folder}: fold {number} of {len(folds)} is missing; finish the run with 'cv --resume'.")
        with np.load(file, allow_pickle=False) as saved:
            logits[rows] = saved["logits"]
    names = [photo.name for photo in run.photos]
    photos = list(zip(names, run.read("views.json")["keys"], strict=True))
    name, groups, tested = folder.name or str(folder), run.groups, np.sort(np.concatenate(folds))
    if len(tested) == len(labels):
        return OutOfFold(name, run.experiment, schema, photos, labels, logits, folds, groups)
    return OutOfFold(
        name,
        run.experiment,
        schema,
        [photos[row] for row in tested],
        labels[tested],
        logits[tested],
        [np.searchsorted(tested, rows) for rows in folds],
        None if groups is None else groups[tested],
        np.delete(labels, tested, axis=0),
    )


def majority_predictions(run: OutOfFold) -> OutOfFold:
    """The predictions of the majority class: the most frequent class among a fold's training photos."""
    logits = np.zeros_like(run.logits)
    for rows in run.folds:
        training = np.delete(run.labels, rows, axis=0)
        if run.untested is not None:
            training = np.concatenate([training, run.untested])
        logits[rows] = _one_hot(run.schema, majority_classes(run.schema, training))
    return replace(run, name="majority", logits=logits)


def _one_hot(schema: Schema, classes: np.ndarray) -> np.ndarray:
    """Logits for which `Schema.predict` returns `classes`: shape (n_logits,)."""
    return np.concatenate(
        [[2.0 * c - 1] if a.is_binary else np.eye(a.n_logits)[c] for a, c in zip(schema, classes, strict=True)]
    )
