"""The run folder: all that went into an experiment and all that came of it.

    config.yaml    every setting                      schema.json    what is predicted
    dataset.json   the photos, their hashes, labels   folds.json     the photos of every fold, by row
    views.json     which view store was used          summary.json   the scores
    fold-00/ …     one folder a fold: history.json, model.weights.h5, predictions.npz
    logs/          what the worker processes said

Whoever holds the folder can recompute every number in it. Every file is written aside and renamed, so that a run that
is killed never holds half a file.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from keras_sister.atomic import write_aside
from keras_sister.config import Experiment, load_experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.schema import Schema

OnEvent = Callable[[dict[str, Any]], None]
"""Told how a task gets on: a dict with the key ``event``, one of

- ``photos``: ``photos`` of them are in the view store, ``of`` will be;
- ``counted``: ``done`` of so many (``of``) of something (``what``);
- ``nobody``: in how many ``photos`` of all (``of``) nobody was found;
- ``step``: ``epoch``, counted from 0, of ``epochs``; ``step``, counted from 1, of ``steps``; ``loss``;
- ``epoch``: ``epoch`` of ``epochs`` and its scores;
- ``done``.
"""


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: where it lies.

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
        return Schema.load(self.folder / "schema.json")

    @property
    def photos(self) -> list[Path]:
        """The photos, row by row."""
        return [Path(path) for path in self._of_photos("path")]

    @property
    def labels(self) -> np.ndarray:
        """The labels: int8 array, shape (photos, attributes), −1 = unknown."""
        return np.array(self._of_photos("labels"), np.int8)

    @property
    def folds(self) -> list[np.ndarray]:
        """The photos of every fold: index arrays."""
        return [np.array(rows, np.int64) for rows in self.read("folds.json")]

    def _of_photos(self, key: str) -> list[Any]:
        try:
            return [photo[key] for photo in self.read("dataset.json")["photos"]]
        except (KeyError, TypeError) as error:
            raise InputError(f"{self.folder / 'dataset.json'}: not that of a run; it has been changed.") from error

    def read(self, name: str) -> Any:
        """The content of one of the run's JSON files.

        Raises:
            InputError: if it is missing or broken, naming it.
        """
        path = self.folder / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"{path}: missing; {self.folder} is no run, or one that has not come this far.") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a readable JSON file: {error}") from error

    def write(self, name: str, content: Any) -> None:
        """Write one of the run's JSON files, or text as it is, whole or not at all."""
        text = content if isinstance(content, str) else json.dumps(content, indent=1) + "\n"
        write_aside(self.folder / name, lambda path: path.write_text(text, encoding="utf-8"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the lock goes when the process does, however it ends.

        Raises:
            InputError: if another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise InputError(
                f"{self.folder}: another process is working on this run; wait for it or stop it."
            ) from error


def begin(run: Run, dataset: Dataset, experiment: Experiment, *, resume: bool) -> None:
    """Write down what goes into a run, or make sure that it is what went into it when it was begun.

    A run in which nothing was trained yet, because its weights or a photo could not be read, is begun anew.

    Raises:
        InputError: if there is a run and `resume` is not set, or a run of other settings, photos or labels, or
            something that is no run.
    """
    if not (run.folder / "config.yaml").exists() and any(run.folder.glob("[!.]*")):
        raise InputError(f"{run.folder}: not empty, and not a run; choose another --out.")
    photos = [
        {"path": str(photo.absolute()), "labels": row.tolist()}
        for photo, row in zip(dataset.photos, dataset.labels, strict=True)
    ]
    if not any(run.folder.rglob("*.npz")) and not (run.folder / "model.keras").exists():
        (run.folder / "views.json").unlink(missing_ok=True)
        run.write("config.yaml", experiment.to_yaml())
        run.write("schema.json", dataset.schema.to_json())
        run.write("dataset.json", {"photos": photos})
        return
    if not resume:
        raise InputError(f"{run.folder}: there is a run already; go on with it by --resume, or choose another --out.")
    differ = settings_that_differ(experiment, run.experiment)
    if differ:
        raise InputError(f"{run.folder}: was begun with other settings ({'; '.join(differ)}). Choose another --out.")
    if run.schema != dataset.schema or run.read("dataset.json")["photos"] != photos:
        raise InputError(f"{run.folder}: was begun with other photos or labels. Choose another --out.")


def settings_that_differ(ours: Experiment, theirs: Experiment) -> list[str]:
    """Each setting in which two experiments differ, as text: ``epochs: 8, not 20``."""
    mine, other = asdict(ours), asdict(theirs)
    return [f"{name}: {mine[name]}, not {other[name]}" for name in mine if mine[name] != other[name]]
