"""Cross-validation: one model per fold, each trained in its own process and tested on photos it was not trained on."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.folds import official_test, stratified_folds
from keras_sister.evaluation.summary import summarize
from keras_sister.run import OnEvent, Run
from keras_sister.training.start import start_run
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

    An interrupted run continues with `resume` and, on a CPU, ends with the same scores as an uninterrupted one.

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
            the initial weights cannot be read.

    Example:
        >>> experiment = Experiment(system="baseline", backbone="resnet_mini", weights="none", size=112, folds=4)
        >>> summary = cross_validate(load_dcsa("photos"), experiment, Path("runs/baseline"))
        >>> summary["macc"]["mean"]
        0.85
    """
    run = Run(Path(out))
    with run.locked():
        start_run(run, dataset, experiment.absolute(), resume=resume)
        if (run.folder / "summary.json").exists():
            return run.read("summary.json")
        perform_in_child(run, "views", on_event)
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
        return [official_test(dataset.split, dataset.groups)]
    return stratified_folds(
        dataset.labels, dataset.schema, folds=experiment.folds, seed=experiment.seed, groups=dataset.groups
    )
