"""Cross-validation: one model per fold, each trained in its own process and tested on photos it was not trained on."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.folds import official_test, stratified_folds
from keras_sister.errors import InputError
from keras_sister.evaluation.summary import read_summary, summarize
from keras_sister.run import OnEvent, Run
from keras_sister.training.start import is_moved, start_run
from keras_sister.training.worker import perform_in_child


def cross_validate(
    dataset: Dataset,
    experiment: Experiment,
    out: str | Path,
    *,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """Cross-validate an experiment: each photo is predicted once, by a model that was not trained on it.

    With ``experiment.split`` the test photos of the dataset's official split are the only fold.

    An interrupted run continues with `resume` and, on a CPU, ends with the same scores as an uninterrupted one. The
    dataset, the segmenter and the initial weights may lie elsewhere then, if their contents are the same.

    Args:
        dataset: photos and labels.
        experiment: what to train and how; the paper has 16 folds.
        out: the run folder to create (see `keras_sister.run`).
        resume: continue the run in `out` if it exists.
        on_event: receives progress events.

    Returns:
        The content of ``summary.json`` (see `keras_sister.evaluation.summary`).

    Raises:
        InputError: if `out` holds a run already, or one with other settings or photos; if a photo, the segmenter or
            the initial weights cannot be read; if there are too few photos or no known label; if a loss or a logit is
            not a finite number; if a file of the run is damaged.

    Example:
        >>> experiment = Experiment(system="baseline", backbone="resnet_mini", weights="none", size=112, folds=4)
        >>> summary = cross_validate(load_dcsa("photos"), experiment, Path("runs/baseline"))
        >>> summary["macc"]["mean"]
        0.85
    """
    run = Run(Path(out))
    if not (run.folder / "summary.json").exists():
        _folds(dataset, experiment)  # fails before anything is decoded
    with run.locked():
        start_run(run, dataset, experiment.absolute(), resume=resume)
        finished = (run.folder / "summary.json").exists()
        if finished and not is_moved(run):
            return read_summary(run)
        perform_in_child(run, "views", on_event)
        if finished:
            return read_summary(run)
        folds = _folds(dataset.without(run.left_out), experiment)
        run.write("folds.json", [fold.tolist() for fold in folds])
        for number in range(len(folds)):
            fold = run.fold(number)
            if not fold.predictions.exists():
                perform_in_child(run, fold.name, on_event)
            on_event({"task": fold.name, "event": "done", "fold": number})
        summary = summarize(run)
        run.write("summary.json", summary)
    return summary


def _folds(dataset: Dataset, experiment: Experiment) -> list[np.ndarray]:
    if experiment.split:
        folds = [official_test(dataset.split, dataset.groups)]
    else:
        folds = stratified_folds(
            dataset.labels, dataset.schema, folds=experiment.folds, seed=experiment.seed, groups=dataset.groups
        )
    if len(dataset) - max(map(len, folds)) < 2:
        raise InputError(
            f"{len(dataset)} photos are too few for {len(folds)} folds: each fold needs 2 photos to train on."
        )
    return folds
