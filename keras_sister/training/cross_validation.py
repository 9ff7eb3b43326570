"""Cross-validation: a model for every fold, each trained in a process of its own, scored on photos it has not seen."""

from pathlib import Path
from typing import Any

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.folds import stratified_folds
from keras_sister.training.run import OnEvent, Run, begin
from keras_sister.training.summary import summarize
from keras_sister.training.worker import perform_in_child


def cross_validate(
    dataset: Dataset,
    experiment: Experiment,
    out: Path,
    *,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """Test every photo once, by a model that has not seen it.

    Killed at any point and called again with `resume`, it goes on where it stopped, and on a CPU it ends with the
    scores that it would have had.

    Args:
        dataset: photos and labels.
        experiment: what to train and how; the paper has 16 folds.
        out: the run folder to make (see `keras_sister.training.run`).
        resume: go on with the run in `out` if there is one.
        on_event: told of progress.

    Returns:
        The content of ``summary.json`` (see `keras_sister.training.summary`).

    Raises:
        InputError: if `out` holds a run already, or one of other settings or photos; if a photo, the segmenter or the
            initial weights cannot be read.

    Example:
        >>> experiment = Experiment(system="baseline", backbone="resnet_mini", weights="none", size=112, folds=4)
        >>> summary = cross_validate(dcsa.load("photos"), experiment, Path("runs/baseline"))
        >>> summary["macc"]["mean"]
        0.85
    """
    run = Run(out)
    with run.locked():
        begin(run, dataset, experiment.absolute(), resume=resume)
        if (out / "summary.json").exists():
            return run.read("summary.json")
        folds = stratified_folds(dataset.labels, dataset.schema, folds=experiment.folds, seed=experiment.seed)
        run.write("folds.json", [fold.tolist() for fold in folds])
        perform_in_child(run, "views", on_event)
        for fold in range(experiment.folds):
            task = f"fold-{fold:02d}"
            if not (run.folder / task / "predictions.npz").exists():
                perform_in_child(run, task, on_event)
            on_event({"task": task, "event": "done"})
        summary = summarize(run)
        run.write("summary.json", summary)
    return summary
