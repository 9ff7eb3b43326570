"""The out-of-fold predictions of a run: each photo predicted by the model that was not trained on it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import check_checksums, contents_of, settings_by_content
from keras_sister.evaluation.scores import accuracies, macc, majority_classes
from keras_sister.run import Run
from keras_sister.schema import Schema
from keras_sister.storage.regular_files import check_regular


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions of a run, or of the constant that predicts the majority class.

    Attributes:
        name: name of the run, for display.
        experiment: its settings; of a run that was read, with the contents' hashes for the paths of files, so that two
            runs of one experiment have equal settings wherever they were made.
        schema: attributes and classes.
        photos: file name and SHA-256 of every photo.
        labels: int32 array, shape (photos, attributes), −1 = unknown.
        logits: float32 array, shape (photos, schema.n_logits).
        folds: the photos of every fold, index arrays.
        groups: array of text, shape (photos,): photos of one group, such as one product, are not independent; None if
            every photo stands alone.
        untested: labels of the training photos of an official split, which no fold tests: int32 array (photos,
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
        """Predicted classes: int32 array of the shape of `labels`."""
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

    def macc_of(self, rows: np.ndarray) -> float | None:
        """MACC of some photos; None if none of their labels is known."""
        scores = accuracies(self.schema, self.labels[rows], self.predicted[rows])
        return macc(scores) if scores else None

    def fold_maccs(self) -> np.ndarray:
        """MACC of every fold with a known label: float array, shape (at most the number of folds,)."""
        scores = [self.macc_of(rows) for rows in self.folds]
        return np.array([score for score in scores if score is not None])


def read_out_of_fold(folder: Path) -> OutOfFold:
    """Read the out-of-fold predictions of a finished cross-validation.

    Raises:
        InputError: if `folder` is not a run, or its cross-validation has not ended; if a file is damaged or does not
            match the others, naming it.

    Example:
        >>> read_out_of_fold(Path("runs/sister_a")).fold_maccs().mean()
        0.784
    """
    run = Run(folder)
    schema, labels, folds = run.schema, run.labels, run.folds
    names = run.photo_names
    logits = np.zeros((len(labels), schema.n_logits), np.float32)
    for number, rows in enumerate(folds):
        file = run.fold(number).predictions
        if not file.exists():
            raise InputError(f"{folder}: {run.fold(number).name} is missing; finish the run with 'cv --resume'.")
        try:
            logits[rows] = _checked_logits(file, schema, rows, labels[rows], [names[row] for row in rows])
        except InputError as error:
            raise InputError(f"{file}: {error} Remove the file and run the command again with --resume.") from error
    contents = contents_of(run)
    for number in range(len(folds)):
        check_checksums(run, run.fold(number).folder, "history.json", "predictions.npz", contents=contents)
    photos = list(zip(names, run.photo_keys, strict=True))
    name, experiment, groups = folder.name or str(folder), settings_by_content(run), run.groups
    tested = np.sort(np.concatenate(folds))
    if len(tested) == len(labels):
        return OutOfFold(name, experiment, schema, photos, labels, logits, folds, groups)
    return OutOfFold(
        name,
        experiment,
        schema,
        [photos[row] for row in tested],
        labels[tested],
        logits[tested],
        [np.searchsorted(tested, rows) for rows in folds],
        None if groups is None else groups[tested],
        np.delete(labels, tested, axis=0),
    )


def _checked_logits(file: Path, schema: Schema, rows: np.ndarray, labels: np.ndarray, names: list[str]) -> np.ndarray:
    """The logits in a fold's file: finite, of these photos and labels."""
    try:
        check_regular(file)
        with file.open("rb") as contents, np.load(contents, allow_pickle=False) as saved:
            content = {name: saved[name] for name in ("rows", "labels", "photos", "logits")}
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise InputError("not readable; it is damaged.") from error
    for name, expected in {"rows": rows, "labels": labels, "photos": np.array(names)}.items():
        if not np.array_equal(content[name], expected):
            raise InputError(f"its {name} are not those of this fold in dataset.json and folds.json.")
    logits = schema.check_logits(content["logits"])
    if len(logits) != len(rows):
        raise InputError(f"Expected logits of {len(rows)} photos. Received: {len(logits)}.")
    return logits


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
