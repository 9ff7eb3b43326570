"""Start a run folder, or check that an existing one can be resumed."""

from typing import Any

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.run import Run


def start_run(run: Run, dataset: Dataset, experiment: Experiment, *, resume: bool) -> None:
    """Write what goes into a run, or check that it equals what the run was started with.

    A run in which nothing has been trained yet, for example because a photo could not be read, is started again.

    Raises:
        InputError: if the run exists and `resume` is not set; if it was started with other settings, photos or labels;
            if the folder holds something else.
    """
    if not (run.folder / "config.yaml").exists() and any(run.folder.glob("[!.]*")):
        raise InputError(f"{run.folder}: not empty, and not a run folder; choose another --out.")
    is_new = not any(run.folder.rglob("*.npz")) and not (run.folder / "model.keras").exists()
    if not is_new:
        dataset = dataset.without(run.left_out)
    photos = [
        {"path": str(photo.absolute()), "labels": row.tolist()}
        for photo, row in zip(dataset.photos, dataset.labels, strict=True)
    ]
    if is_new:
        for leftover in ("views.json", "left_out.json"):
            (run.folder / leftover).unlink(missing_ok=True)
        run.write("config.yaml", experiment.to_yaml())
        run.write("schema.json", dataset.schema.to_json())
        run.write("dataset.json", {"photos": photos, **_columns(dataset)})
        return
    if not resume:
        raise InputError(
            f"{run.folder}: this run already exists; add --resume to continue it, or choose another --out."
        )
    differences = differing_settings(experiment, run.experiment)
    if differences:
        raise InputError(
            f"{run.folder}: was started with other settings ({'; '.join(differences)}). Choose another --out."
        )
    if run.schema != dataset.schema or run.read("dataset.json")["photos"] != photos:
        raise InputError(f"{run.folder}: was started with other photos or labels. Choose another --out.")
    before = {name: value for name, value in run.read("dataset.json").items() if name in _COLUMNS}
    if before != _columns(dataset):
        raise InputError(f"{run.folder}: was started with other groups, weights or splits. Choose another --out.")
    if experiment != run.experiment:  # the file of a backbone has moved
        run.write("config.yaml", experiment.to_yaml())


_COLUMNS = ("groups", "weights", "split")


def _columns(dataset: Dataset) -> dict[str, list[Any]]:
    """The columns of ``dataset.json`` that not every dataset has."""
    columns = {name: getattr(dataset, name) for name in _COLUMNS}
    return {name: column.tolist() for name, column in columns.items() if column is not None}


def differing_settings(ours: Experiment, theirs: Experiment) -> list[str]:
    """The settings in which two experiments differ, as text: ``epochs: 8, not 20``."""
    mine, other = ours.contents(), theirs.contents()
    return [f"{name}: {mine[name]}, not {other[name]}" for name in mine if mine[name] != other[name]]
