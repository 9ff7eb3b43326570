"""Train the final model on all photos, after cross-validation has measured its settings."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import check_checksums, note_again
from keras_sister.evaluation.decisions import THRESHOLDS
from keras_sister.evaluation.summary import read_summary
from keras_sister.evaluation.thresholds import read_thresholds
from keras_sister.run import OnEvent, Run
from keras_sister.training.start import start_run
from keras_sister.training.worker import chain, perform_in_child


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
            ``cross_validation.json``, and its thresholds, if it has any, as ``thresholds.json``.
        resume: continue the run in `out` if it exists. A model that is finished gets the thresholds that `like` has
            now.
        on_event: receives progress events.

    Returns:
        The model file, ``model.keras`` in the run folder.

    Raises:
        InputError: as `keras_sister.training.cross_validation.cross_validate` does; or if `like` has thresholds for
            other attributes than the dataset's.

    Example:
        >>> validated = Run(Path("runs/sister_a"))
        >>> train_final(dataset, final_settings(validated), "runs/final", like=validated)
        PosixPath('runs/final/model.keras')
    """
    run = Run(Path(out))
    model = run.folder / "model.keras"
    thresholds = read_thresholds(like) if like is not None else None
    if like is not None and thresholds is not None and like.schema != dataset.schema:
        raise InputError(f"{like.folder / THRESHOLDS}: is for other attributes than those of the dataset.")
    with run.locked():
        start_run(run, dataset, experiment.absolute(), resume=resume)
        if like is not None and not model.exists():
            run.write("cross_validation.json", read_summary(like))
        if like is not None:
            _keep_thresholds(run, thresholds)
        tasks = ["views"] if model.exists() else ["views", "train"]
        together = run.experiment.is_one_pass and run.backend == "tensorflow"  # else the segmenter's memory is missing
        for task in [chain(*tasks)] if together else tasks:
            perform_in_child(run, task, on_event)
        on_event({"task": "train", "event": "done"})
    return model


def _keep_thresholds(run: Run, thresholds: dict[str, Any] | None) -> None:
    """Make the thresholds of a cross-validation those of the run."""
    if thresholds is not None:
        run.write(THRESHOLDS, thresholds)
    else:
        (run.folder / THRESHOLDS).unlink(missing_ok=True)
    note_again(run.folder, THRESHOLDS)


def final_settings(run: Run) -> Experiment:
    """The settings of a cross-validation, with the median of its folds' best epochs as the number of epochs.

    Raises:
        InputError: if the run is not a finished cross-validation, or was changed since.
    """
    for number in range(len(run.folds)):
        check_checksums(run, run.fold(number).folder, "history.json")
    best = [run.fold(number).best_epoch for number in range(len(run.folds))]
    return replace(run.experiment, epochs=int(statistics.median_high(best)) + 1)
