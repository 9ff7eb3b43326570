"""Train the final model on all photos, after cross-validation has measured its settings."""

import statistics
from dataclasses import replace
from pathlib import Path

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.evaluation.checksums import check_checksums
from keras_sister.evaluation.summary import read_summary
from keras_sister.run import OnEvent, Run
from keras_sister.training.start import start_run
from keras_sister.training.worker import perform_in_child


def train_final(
    dataset: Dataset,
    experiment: Experiment,
    out: str | Path,
    *,
    like: Run | None = None,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> Path:
    """Train on all photos for all of the experiment's epochs.

    No photos are held out, so the best epoch cannot be selected here: `final_settings` takes the number of epochs
    from a cross-validation.

    Args:
        dataset: photos and labels.
        experiment: what to train and how; its folds are ignored.
        out: the run folder to create.
        like: the cross-validation of these settings; its scores are kept with the run and its exports, as
            ``cross_validation.json``.
        resume: continue the run in `out` if it exists.
        on_event: receives progress events.

    Returns:
        The model file, ``model.keras`` in the run folder.

    Raises:
        InputError: as `keras_sister.training.cross_validation.cross_validate` does.

    Example:
        >>> validated = Run(Path("runs/sister_a"))
        >>> train_final(dataset, final_settings(validated), "runs/final", like=validated)
        PosixPath('runs/final/model.keras')
    """
    run = Run(Path(out))
    model = run.folder / "model.keras"
    with run.locked():
        start_run(run, dataset, experiment.absolute(), resume=resume)
        if like is not None and not model.exists():
            run.write("cross_validation.json", read_summary(like))
        perform_in_child(run, "views", on_event)
        if not model.exists():
            perform_in_child(run, "train", on_event)
        on_event({"task": "train", "event": "done"})
    return model


def final_settings(run: Run) -> Experiment:
    """The settings of a cross-validation, with the median of its folds' best epochs as the number of epochs.

    Raises:
        InputError: if the run is not a finished cross-validation, or was changed since.
    """
    for number in range(len(run.folds)):
        check_checksums(run, run.fold(number).folder, "history.json")
    best = [run.fold(number).best_epoch for number in range(len(run.folds))]
    return replace(run.experiment, epochs=int(statistics.median_high(best)) + 1)
