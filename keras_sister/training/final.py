"""Train on everything: the model that is put to use, after cross-validation has said how good its recipe is."""

import statistics
from dataclasses import replace
from pathlib import Path

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.training.run import OnEvent, Run, begin
from keras_sister.training.worker import perform_in_child


def train(
    dataset: Dataset,
    experiment: Experiment,
    out: Path,
    *,
    like: Run | None = None,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> Path:
    """Train on all photos for all of the experiment's epochs.

    Nothing is held out, so nothing is left to pick the epoch on: take their number from a cross-validation with
    `recipe`.

    Args:
        dataset: photos and labels.
        experiment: what to train and how; its folds do not matter here.
        out: the run folder to make.
        like: the cross-validation that says how good this recipe is; its scores travel with the run, as
            ``cross_validation.json``, and with its exports.
        resume: go on with the run in `out` if there is one.
        on_event: told of progress.

    Returns:
        The model's file, ``model.keras`` in the run folder.

    Raises:
        InputError: as `keras_sister.training.cross_validation.cross_validate` does.
    """
    run = Run(out)
    with run.locked():
        begin(run, dataset, experiment.absolute(), resume=resume)
        if like is not None:
            run.write("cross_validation.json", like.read("summary.json"))
        perform_in_child(run, "views", on_event)
        if not (run.folder / "model.keras").exists():
            perform_in_child(run, "train", on_event)
        on_event({"task": "train", "event": "done"})
    return run.folder / "model.keras"


def recipe(run: Run) -> Experiment:
    """The settings of a cross-validation, with as many epochs as its folds did best with: their median.

    Raises:
        InputError: if the run is no cross-validation that has ended.
    """
    best = [run.read(f"fold-{fold:02d}/history.json")["best_epoch"] for fold in range(len(run.folds))]
    return replace(run.experiment, epochs=int(statistics.median_high(best)) + 1)
