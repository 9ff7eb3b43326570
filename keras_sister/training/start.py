"""Start a run folder, or check that an existing one can be resumed."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_sister.config import NAMED_WEIGHTS, Experiment, absolute_paths
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import CHECKSUMS, check_checksums, contents_of
from keras_sister.keras_backend import chosen_backend
from keras_sister.photo_files import content_hash
from keras_sister.run import TOWER_WEIGHTS, Run
from keras_sister.storage.regular_files import check_regular
from keras_sister.training.precision import resolve_precision


def start_run(run: Run, dataset: Dataset, experiment: Experiment, *, resume: bool) -> None:
    """Write what goes into a run, or check that it equals what the run was started with.

    Data are the same if the photos' names and contents, the labels and the contents of initial weights are, wherever
    the files lie now; the run then gets their new paths. The segmenter's contents are checked by the task ``views``.
    A run in which nothing has been trained yet, for example because a photo could not be read, is started again.
    ``precision: auto`` is recorded as what it is on this machine, and compared as that.

    The backend of Keras, ``KERAS_BACKEND``, is recorded too: initial weights and the last digits depend on it.

    Raises:
        InputError: if this CPU or backend cannot compute in the precision; for an unknown backend, or another one than
            the run was started with; if batch normalization without statistics is to be frozen; if no label is known;
            if the run exists and `resume` is not set; if it was started with other settings, photos, labels or
            weights; if the folder holds something else.
    """
    backend = chosen_backend()
    experiment, _ = resolve_precision(experiment)
    if experiment.batch_norm == "frozen" and experiment.trainable == "all" and not experiment.pretrained:
        raise InputError(
            "batch_norm: frozen keeps pretrained statistics, and a tower with weights: none has none; use"
            " --batch-norm train."
        )
    if (dataset.labels < 0).all():
        raise InputError(f"No label of the {len(dataset)} photos is known; there is nothing to train on.")
    if not (run.folder / "config.yaml").exists() and any(run.folder.glob("[!.]*")):
        if (run.folder / "schema.json").exists():
            raise InputError(f"{run.folder / 'config.yaml'}: missing; restore it, or choose another --out.")
        raise InputError(f"{run.folder}: not empty, and not a run folder; choose another --out.")
    is_new = not any(run.folder.rglob("*.npz")) and not (run.folder / "model.keras").exists()
    if not is_new:
        dataset = dataset.without(run.left_out)
    photos = [
        {"path": str(photo), "labels": row.tolist()}
        for photo, row in zip(absolute_paths(dataset.photos), dataset.labels, strict=True)
    ]
    content = {"photos": photos, **_columns(dataset)}
    hashes = _weight_hashes(experiment)
    if is_new:
        for leftover in ("views.json", "left_out.json", "folds.json", TOWER_WEIGHTS):
            (run.folder / leftover).unlink(missing_ok=True)
        run.write("config.yaml", experiment.to_yaml())
        run.write("schema.json", dataset.schema.to_json())
        run.write("dataset.json", content)
        run.write("weights.json", hashes)
        _record_backend(run, backend)
        return
    if not resume:
        raise InputError(
            f"{run.folder}: this run already exists; add --resume to continue it, or choose another --out."
        )
    if run.backend != backend:
        raise InputError(
            f"{run.folder}: was started on another backend; set KERAS_BACKEND={run.backend} (now {backend}), or choose"
            " another --out."
        )
    _check_trained(run)
    _check_settings(run, experiment, hashes)
    _check_data(run, dataset)
    if run.read("dataset.json") != content:
        run.write("dataset.json", content)
    if run.experiment != experiment:  # the files of segmenter, weights or backbone have moved
        run.write("config.yaml", experiment.to_yaml())


def _record_backend(run: Run, backend: str) -> None:
    if backend == "tensorflow":
        (run.folder / "backend.json").unlink(missing_ok=True)
    else:
        run.write("backend.json", {"backend": backend})


def is_moved(run: Run) -> bool:
    """Whether the segmenter lies elsewhere than when its contents were last checked."""
    return run.experiment.needs_masks and run.views.get("segmenter") != run.experiment.segmenter


def _check_trained(run: Run) -> None:
    """Check that the run says what it said when its folds, or its model, were trained."""
    folders = [file.parent for file in sorted(run.folder.glob(f"fold-*/{CHECKSUMS}"))]
    if (run.folder / "model.keras").exists() and (run.folder / CHECKSUMS).exists():
        folders.append(run.folder)
    contents = contents_of(run) if folders else None
    for folder in folders:
        check_checksums(run, folder, contents=contents)


def _check_settings(run: Run, experiment: Experiment, hashes: dict[str, str]) -> None:
    before = run.experiment
    if _kind(before.segmenter) == _kind(experiment.segmenter) or not experiment.needs_masks:
        before = replace(before, segmenter=experiment.segmenter)
    if hashes and hashes == run.weight_hashes:
        before = replace(before, weights=experiment.weights)
    elif before.weights == experiment.weights and run.weight_hashes and hashes != run.weight_hashes:
        raise InputError(f"{run.folder}: the initial weights have changed since it was started. Choose another --out.")
    differences = differing_settings(experiment, before)
    if differences:
        raise InputError(
            f"{run.folder}: was started with other settings ({'; '.join(differences)}). Choose another --out."
        )


def _check_data(run: Run, dataset: Dataset) -> None:
    other = InputError(f"{run.folder}: was started with other photos or labels. Choose another --out.")
    if run.schema != dataset.schema or run.photo_names != [photo.name for photo in dataset.photos]:
        raise other
    if (run.labels != dataset.labels).any():
        raise other
    before = {name: column.tolist() for name in _COLUMNS if (column := getattr(run, name)) is not None}
    if before != _columns(dataset):
        raise InputError(f"{run.folder}: was started with other groups, weights or splits. Choose another --out.")
    if not (run.folder / "views.json").exists():
        return
    for photo, key in zip(dataset.photos, run.photo_keys, strict=True):
        if content_hash(photo) != key:
            raise InputError(f"{photo}: changed since {run.folder} was started; start another run with --out.")


def _kind(segmenter: str) -> str:
    """What must stay the same when a segmenter moves: all but the folders above it."""
    kind, colon, place = segmenter.rpartition(":")
    return f"{kind}{colon}{Path(place).name}"


def _weight_hashes(experiment: Experiment) -> dict[str, str]:
    """See `keras_sister.run.Run.weight_hashes`."""
    weights = experiment.weights
    files: dict[str, Any] = weights if isinstance(weights, dict) else {"weights": weights}
    if not isinstance(weights, dict) and weights in NAMED_WEIGHTS:
        return {}
    hashes = {}
    for name, file in files.items():
        check_regular(Path(file))
        try:
            with Path(file).open("rb") as contents:
                hashes[name] = hashlib.file_digest(contents, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{file}: initial weights are not readable: {error.strerror}.") from error
    return hashes


_COLUMNS = ("groups", "weights", "split")


def _columns(dataset: Dataset) -> dict[str, list[Any]]:
    """The columns of ``dataset.json`` that not every dataset has."""
    columns = {name: getattr(dataset, name) for name in _COLUMNS}
    return {name: column.tolist() for name, column in columns.items() if column is not None}


def differing_settings(ours: Experiment, theirs: Experiment) -> list[str]:
    """The settings in which two experiments differ, as text: ``epochs: 8, not 20``."""
    mine, other = ours.contents(), theirs.contents()
    return [f"{name}: {mine[name]}, not {other[name]}" for name in mine if mine[name] != other[name]]
