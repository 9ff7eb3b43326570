"""The run folder: everything that went into an experiment and everything that came out of it.

    config.yaml    all settings                        schema.json    attributes and classes
    dataset.json   photo paths, labels, groups, …      folds.json     the photos of every fold, by row
    views.json     the view store that was used        summary.json   the scores
    left_out.json  photos that could not be read, with their rows among all photos given, if any were left out
    weights.json   SHA-256 of the initial weights' files
    backend.json   the Keras backend that trains the run, if it is not TensorFlow
    thresholds.json  with ``sister-keras thresholds``: temperatures, thresholds and their scores
    work.json      the completed tasks, with seconds and the versions of the packages
    fold-00/ …     one folder per fold: history.json, model.weights.h5, predictions.npz, checksums.json
    towers.weights.h5  with ``--trainable head``, whose folds have a head.weights.h5 each: the towers of all folds
    issues.csv     all known labels, the most suspicious first; issues.jpg, the contact sheet of flagged ones
    robustness.json, fold-00/robustness.npz  with ``--robustness``: predictions for changed photos
    tensorboard/, mlflow.json  with ``--track``: event files; the run of MLflow
    logs/          standard error of the worker processes

Every number in it can be recomputed from the folder alone. All files are written atomically.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.config import NAMED_WEIGHTS, Experiment, load_experiment
from keras_sister.errors import InputError, quoted
from keras_sister.schema import Schema
from keras_sister.storage.json_files import read_json, write_json, write_text
from keras_sister.storage.lock import locked

WEIGHTS, HEAD_WEIGHTS, TOWER_WEIGHTS = "model.weights.h5", "head.weights.h5", "towers.weights.h5"
CHECKPOINT, HEADS_CHECKPOINT = "checkpoint.npz", "heads.npz"  # while a fold trains, or the heads of all folds

_HASH = re.compile("[0-9a-f]{64}")

_MAX_BYTES = 4_000_000_000
"""Of a file. ``dataset.json`` has 8 bytes for each label: 1.6 GB for 200,000 photos with 1,000 attributes."""

OnEvent = Callable[[dict[str, Any]], None]
"""Receives the progress of a task: a dict with the key ``event``, one of

- ``fetching``: the initial weights of ``network`` are downloaded;
- ``photos``: ``photos`` of ``of`` photos are in the view store;
- ``counted``: ``done`` of ``of`` items of the kind ``what`` are processed;
- ``left_out``: ``photos`` of ``of`` photos cannot be read and are left out;
- ``without_person``: no person was found in ``photos`` of ``of`` photos;
- ``step``: ``epoch`` (from 0) of ``epochs``, ``step`` (from 1) of ``steps``, and the ``loss``;
- ``epoch``: ``epoch`` of ``epochs`` has ended, with its scores;
- ``lost``: a worker process on a cluster, or its machine, was lost; the task is started again, as retry ``retry`` of
  ``retries``;
- ``done``: the task has ended; for a fold with its number, ``fold``.
"""


def report_bytes(on_event: OnEvent) -> Callable[[int, int], None]:
    """A function that turns the bytes of a download, those that have arrived and all, into events."""

    def report(done: int, of: int) -> None:
        on_event({"event": "counted", "what": "megabytes", "done": done // 1_000_000, "of": of // 1_000_000})

    return report


@dataclass(frozen=True)
class Fold:
    """The folder of one fold in a run.

    Attributes:
        folder: its path, such as ``runs/sister_a/fold-03``.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Such as ``fold-03``."""
        return self.folder.name

    @property
    def predictions(self) -> Path:
        """The file of out-of-fold predictions; it exists once the fold has ended."""
        return self.folder / "predictions.npz"

    @property
    def robustness(self) -> Path:
        """The file of predictions for changed photos; see `keras_sister.evaluation.robustness.read_robustness`."""
        return self.folder / "robustness.npz"

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept, counted from 0.

        Raises:
            InputError: if the fold has not ended, or its history is not that of a training.
        """
        file = self.folder / "history.json"
        history = _read(file, self.folder.parent)
        try:
            best, found = history["best_epoch"], best_epoch(history["epochs"])
        except (KeyError, IndexError, TypeError) as error:
            raise changed(file) from error
        if isinstance(best, bool) or best != found:
            raise InputError(f"{file}: best_epoch is {quoted(best)}, but epoch {found} is the best of its epochs.")
        return found


def best_epoch(history: list[dict[str, float]]) -> int:
    """The epoch whose weights are kept: highest ``val_macc``, then lowest ``val_loss``, then earliest.

    Without validation the last. Counted from 0.
    """
    if "val_macc" not in history[0]:
        return len(history) - 1
    return min(range(len(history)), key=lambda epoch: (-history[epoch]["val_macc"], history[epoch]["val_loss"], epoch))


def changed(file: Path) -> InputError:
    """The error for a file that is readable but not what a run writes."""
    return InputError(f"{file}: not the file of a run; it has been changed or damaged.")


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: its path.

    Example:
        >>> run = Run(Path("runs/sister_a"))
        >>> run.experiment.system, run.labels.shape
        ('sister_a', (1856, 26))
    """

    folder: Path

    @property
    def experiment(self) -> Experiment:
        """The settings in ``config.yaml``."""
        return load_experiment(self.folder / "config.yaml")

    @property
    def schema(self) -> Schema:
        """The attributes in ``schema.json``."""
        return Schema.load(self.folder / "schema.json")

    @property
    def photos(self) -> list[Path]:
        """Paths of the photos, row by row."""
        return self.read_dataset(lambda photo: Path(photo["path"]))["photos"]

    @property
    def photo_names(self) -> list[str]:
        """File names of the photos, row by row, which take less memory than paths."""
        return self.read_dataset(lambda photo: Path(photo["path"]).name)["photos"]

    @property
    def labels(self) -> np.ndarray:
        """Labels: int32 array, shape (photos, attributes), −1 = unknown."""
        try:
            names = self.photo_names  # first: one reading of the file is in memory at a time
            return self.schema.check_labels(self._photo_column("labels"), rows=names)
        except InputError as error:
            raise InputError(f"{self.folder / 'dataset.json'}: {error}") from error

    @property
    def photo_keys(self) -> list[str]:
        """The SHA-256 of every photo, row by row."""
        keys, photos = self.views["keys"], len(self._photo_column("path"))
        if not isinstance(keys, list) or not all(isinstance(k, str) and _HASH.fullmatch(k) for k in keys):
            raise changed(self.folder / "views.json")
        if len(keys) != photos:
            raise InputError(f"{self.folder / 'views.json'}: {len(keys)} photos, but dataset.json has {photos}.")
        return keys

    @property
    def views(self) -> dict[str, Any]:
        """The content of ``views.json``: ``fingerprint`` of the segmenter, ``keys`` and others."""
        views = self.read("views.json")
        if not isinstance(views, dict) or not {"fingerprint", "keys"} <= views.keys():
            raise changed(self.folder / "views.json")
        return views

    @property
    def groups(self) -> np.ndarray | None:
        """The group of each photo: array of text, shape (photos,); None if every photo stands alone."""
        return self._optional_column("groups")

    @property
    def weights(self) -> np.ndarray | None:
        """Weight of each photo in the loss: float64 array, shape (photos,); None for equal weights."""
        return self._optional_column("weights")

    @property
    def split(self) -> np.ndarray | None:
        """The official split: array of ``train``, ``val`` and ``test``, shape (photos,); None without one."""
        return self._optional_column("split")

    @property
    def left_out(self) -> list[int]:
        """Rows, among the photos that the run was given, of those that could not be read and are not in it."""
        if not (self.folder / "left_out.json").exists():
            return []
        try:
            return [int(photo["row"]) for photo in self.read("left_out.json")]
        except (KeyError, TypeError, ValueError) as error:
            raise changed(self.folder / "left_out.json") from error

    @property
    def folds(self) -> list[np.ndarray]:
        """The photos of every fold: index arrays that together contain each photo once.

        With the official split, one fold: the test photos.
        """
        file = self.folder / "folds.json"
        folds, photos = self.read("folds.json"), len(self._photo_column("path"))
        if not isinstance(folds, list) or not all(isinstance(rows, list) and rows for rows in folds):
            raise changed(file)
        rows = [row for fold in folds for row in fold]
        if not all(type(row) is int for row in rows):
            raise changed(file)
        tested = list(range(photos))
        if self.experiment.split and self.split is not None:
            tested = np.flatnonzero(self.split == "test").tolist()
        if sorted(rows) != tested:
            raise InputError(f"{file}: the folds do not contain each of the {len(tested)} photos in dataset.json once.")
        expected = 1 if self.experiment.split else self.experiment.folds
        if len(folds) != expected:
            raise InputError(f"{file}: {len(folds)} folds, but config.yaml has {expected}.")
        return [np.array(fold, np.int64) for fold in folds]

    @property
    def weight_hashes(self) -> dict[str, str]:
        """The SHA-256 of each file of initial weights, by backbone, or of the one file as ``weights``."""
        file = self.folder / "weights.json"
        hashes = self.read("weights.json") if file.exists() else {}
        weights = self.experiment.weights
        expected = set(weights) if isinstance(weights, dict) else set() if weights in NAMED_WEIGHTS else {"weights"}
        if not isinstance(hashes, dict) or set(hashes) not in (expected, set()):
            raise changed(file)
        if not all(isinstance(value, str) and _HASH.fullmatch(value) for value in hashes.values()):
            raise changed(file)
        return hashes

    @property
    def backend(self) -> str:
        """The Keras backend that trains the run: ``tensorflow`` or ``jax``."""
        file = self.folder / "backend.json"
        if not file.exists():
            return "tensorflow"
        content = self.read("backend.json")
        if content != {"backend": "jax"}:
            raise changed(file)
        return content["backend"]

    def fold(self, number: int) -> Fold:
        """The folder of a fold, counted from 0."""
        return Fold(self.folder / f"fold-{number:02d}")

    def fold_weights(self, number: int) -> Path:
        """The file of a fold's trained weights: of the whole model, or of its head if the folds share `towers`."""
        folder = self.fold(number).folder
        if (folder / WEIGHTS).exists():  # an earlier version may have trained it alone
            return folder / WEIGHTS
        return folder / (HEAD_WEIGHTS if self.experiment.is_one_pass else WEIGHTS)

    @property
    def towers(self) -> Path:
        """The file of the weights of frozen towers, which all folds share."""
        return self.folder / TOWER_WEIGHTS

    def read(self, name: str, *, on_object: Callable[[dict[str, Any]], Any] | None = None) -> Any:
        """Read one of the run's JSON files.

        Args:
            name: its name in the folder.
            on_object: see `keras_sister.storage.json_files.read_json`.

        Raises:
            InputError: if it is missing or damaged, naming it.
        """
        return _read(self.folder / name, self.folder, on_object=on_object)

    def write(self, name: str, content: Any) -> None:
        """Write one of the run's files, atomically: text as it is, anything else as JSON."""
        if isinstance(content, str):
            write_text(self.folder / name, content)
        else:
            write_json(self.folder / name, content)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the run for this process.

        Raises:
            InputError: if another process holds it.
        """
        return locked(self.folder)

    def read_dataset(self, on_photo: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The columns of ``dataset.json``.

        Args:
            on_photo: is called with each photo, ``path`` and ``labels``, while the file is read; what it returns takes
                the photo's place in the column ``photos``, and the rest is let go.

        Raises:
            InputError: if the file is missing, damaged, or not that of a run.
        """
        file = self.folder / "dataset.json"

        def cell(read: dict[str, Any]) -> Any:
            return read if "photos" in read else (on_photo(read),)  # a tuple, which nothing else in a JSON file becomes

        try:
            columns = self.read(file.name, on_object=cell)
            cells = columns["photos"]
        except (KeyError, TypeError) as error:
            raise changed(file) from error
        if not isinstance(cells, list) or not all(isinstance(cell, tuple) for cell in cells):
            raise changed(file)
        return columns | {"photos": [value for (value,) in cells]}

    def _optional_column(self, key: str) -> np.ndarray | None:
        columns = self.read_dataset(lambda photo: photo["path"])
        column, photos = columns.get(key), len(columns["photos"])
        if column is None:
            return None
        kind = (int, float) if key == "weights" else (str, int)
        if not isinstance(column, list) or len(column) != photos or not all(isinstance(v, kind) for v in column):
            raise changed(self.folder / "dataset.json")
        return np.array(column)

    def _photo_column(self, key: str) -> list[Any]:
        """What ``dataset.json`` says of every photo under a key."""
        return self.read_dataset(lambda photo: photo[key])["photos"]


def _read(file: Path, run: Path, *, on_object: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    if not file.exists():
        raise InputError(f"{file}: missing; {run} is not a run folder, or has not reached this stage.")
    return read_json(file, max_bytes=_MAX_BYTES, on_object=on_object)
