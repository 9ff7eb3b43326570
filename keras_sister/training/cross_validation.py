"""Cross-validation: one model per fold, each trained in its own process and tested on photos it was not trained on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.evaluation.summary import read_summary, summarize
from keras_sister.run import CHECKPOINT, HEADS_CHECKPOINT, OnEvent, Run
from keras_sister.segmentation.segmenters.open import check_segmenter
from keras_sister.training.engines.engine import Engine
from keras_sister.training.engines.local_engine import LocalEngine
from keras_sister.training.engines.schedule import Step, Steps, perform_runs
from keras_sister.training.fold_split import check_folds, write_folds
from keras_sister.training.shared_stores import feature_stores, view_stores
from keras_sister.training.start import is_moved, start_run
from keras_sister.training.tower_check import check_towers
from keras_sister.training.worker import chain

OnRun = Callable[[Path], AbstractContextManager[OnEvent]]
"""Called with the folder of a run that begins; see `cross_validate_several`."""


def cross_validate(
    dataset: Dataset,
    experiment: Experiment,
    out: str | Path,
    *,
    resume: bool = False,
    robustness: bool = False,
    other_segmenter: str | None = None,
    engine: Engine | None = None,
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
        robustness: predict every photo with other backgrounds and with wrong masks too, and score that as
            ``robustness`` in the summary; see `keras_sister.evaluation.robustness`. With `resume`, of a finished run
            too. Of a system without masks, the experiment's segmenter cuts the persons out.
        other_segmenter: with `robustness`, of a system that takes masks: another segmenter, whose masks replace the
            run's own.
        engine: where the folds are trained; by default on this machine, by a `LocalEngine`.
        on_event: receives progress events.

    Returns:
        The content of ``summary.json`` (see `keras_sister.evaluation.summary`).

    Raises:
        InputError: if `out` holds a run already, or one with other settings or photos; if there is no such segmenter,
            or no mask that `other_segmenter` could replace; if a photo, the segmenter or the initial weights cannot be
            read; if there are too few photos or no known label; if a loss or a logit is
            not a finite number; if a file of the run is damaged.

    Example:
        >>> experiment = Experiment(system="baseline", backbone="resnet_mini", weights="none", size=112, folds=4)
        >>> summary = cross_validate(load_dcsa("photos"), experiment, Path("runs/baseline"))
        >>> summary["macc"]["mean"]
        0.85
    """
    run = Run(Path(out))
    summaries = cross_validate_several(
        dataset,
        {run.folder: experiment},
        resume=resume,
        robustness=robustness,
        other_segmenter=other_segmenter,
        engine=engine,
        on_run=lambda _: nullcontext(on_event),
    )
    return summaries[run.folder]


def cross_validate_several(
    dataset: Dataset,
    experiments: Mapping[Path, Experiment],
    *,
    resume: bool = False,
    robustness: bool = False,
    other_segmenter: str | None = None,
    engine: Engine | None = None,
    on_run: OnRun = lambda folder: nullcontext(lambda event: None),
) -> dict[Path, dict[str, Any]]:
    """Cross-validate several experiments on one dataset, such as systems or seeds, as `cross_validate` does with one.

    Where the engine has room for one task, one experiment follows the other. Where it has room for more, such as on
    several GPUs, the folds of all of them are trained side by side; a run whose views or features another one is making
    waits for those. Each run ends, with its summary, when its own folds have ended.

    Args:
        dataset: photos and labels.
        experiments: by run folder, in the order in which they begin.
        resume, robustness, engine: see `cross_validate`.
        other_segmenter: see `cross_validate`; used by the systems that take masks.
        on_run: called with the folder of a run when it begins; returns a context manager. The run takes place inside
            the context, which yields a function that is called with each event of the run. When it ends without an
            error, the run folder has its summary.

    Returns:
        The content of ``summary.json`` of each run.

    Raises:
        InputError: as `cross_validate` does, naming the run; the others are then interrupted. Before the first run
            begins: if a segmenter is missing, there are too few photos, or the towers of a run do not fit together.

    Example:
        >>> runs = {Path(f"runs/seed-{seed}"): Experiment(system="baseline", seed=seed) for seed in range(3)}
        >>> summaries = cross_validate_several(load_dcsa("photos"), runs)
    """
    to_train = [experiment for folder, experiment in experiments.items() if not (folder / "summary.json").exists()]
    for segmenter in dict.fromkeys(experiment.segmenter for experiment in to_train if experiment.needs_masks):
        check_segmenter(segmenter)  # a system that does not use it may be trained first
    if len(experiments) > 1:
        check_towers(to_train)
    take_masks = any(experiment.needs_masks for experiment in experiments.values())
    steps = {}
    for folder, experiment in experiments.items():
        run, other = Run(folder), other_segmenter if experiment.needs_masks or not take_masks else None
        if robustness:
            _check_segmenters(run, experiment, other)  # before hours of training without them
        if not (folder / "summary.json").exists():
            check_folds(dataset, experiment)  # fails before anything is decoded
        steps[run] = _steps(
            run, dataset, experiment, resume=resume, robustness=robustness, other_segmenter=other, on_run=on_run
        )
    return {run.folder: summary for run, summary in perform_runs(steps, engine or LocalEngine()).items()}


def _steps(
    run: Run,
    dataset: Dataset,
    experiment: Experiment,
    *,
    resume: bool,
    robustness: bool,
    other_segmenter: str | None,
    on_run: OnRun,
) -> Steps:
    """The steps of a cross-validation; returns its summary."""
    with on_run(run.folder) as on_event, run.locked():
        start_run(run, dataset, experiment.absolute(), resume=resume)
        views = Step(["views"], on_event, fills=view_stores(run.experiment))
        finished = _is_finished(run)
        if finished and is_moved(run):
            yield views
        if finished and not robustness:
            return read_summary(run)
        if not finished:
            together = run.experiment.is_one_pass and not _is_predicted(run)
            yield from (_train_together if together else _train_each)(run, views)
            _remove_checkpoints(run)
        if robustness:
            _note_segmenter(run, other_segmenter)
            yield Step(["robustness"], on_event)
        summary = summarize(run, robustness=robustness)
        run.write("summary.json", summary)
    return summary


def _check_segmenters(run: Run, experiment: Experiment, other_segmenter: str | None) -> None:
    """Check the segmenters that only robustness needs; the task ``views`` opens that of a system with masks."""
    if other_segmenter is not None:
        if not experiment.needs_masks:
            raise InputError(f"{run.folder}: {experiment.system} takes no masks, so none can be replaced.")
        check_segmenter(other_segmenter)
    if not experiment.needs_masks:
        check_segmenter(experiment.segmenter)


def _is_finished(run: Run) -> bool:
    """Whether nothing is to be trained; a fold whose folder was removed, as errors advise for a damaged one, is."""
    return all((run.folder / name).exists() for name in ("summary.json", "folds.json")) and _is_predicted(run)


def _is_predicted(run: Run) -> bool:
    folds = 1 if run.experiment.split else run.experiment.folds
    return all(run.fold(number).predictions.exists() for number in range(folds))


def _train_each(run: Run, views: Step) -> Iterator[Step]:
    """Train every fold in a process of its own."""
    yield views
    write_folds(run)
    numbers = {run.fold(number).name: number for number in range(len(run.folds))}

    def tell(name: str) -> None:
        views.on_event({"task": name, "event": "done", "fold": numbers[name]})

    missing = [name for name, number in numbers.items() if not run.fold(number).predictions.exists()]
    for name in sorted(numbers.keys() - missing):
        tell(name)
    yield Step(missing, views.on_event, tell)


def _train_together(run: Run, views: Step) -> Iterator[Step]:
    """Train all folds in one process, which makes the views too where Keras runs on TensorFlow, as they need."""
    heads = replace(views, tasks=["heads"], fills=feature_stores(run.experiment))
    if run.backend == "tensorflow":
        yield replace(views, tasks=[chain("views", "heads")], fills=views.fills | heads.fills)
    else:
        yield views
        yield heads
    for number in range(len(run.folds)):
        views.on_event({"task": run.fold(number).name, "event": "done", "fold": number})


def _remove_checkpoints(run: Run) -> None:
    """Remove the state of training; of a fold, where its process was killed after it had written the predictions."""
    for checkpoint in (run.folder / HEADS_CHECKPOINT, *run.folder.glob(f"fold-*/{CHECKPOINT}")):
        checkpoint.unlink(missing_ok=True)


def _note_segmenter(run: Run, other_segmenter: str | None) -> None:
    """Note the segmenter of robustness; if none is named, the one of before stays."""
    if other_segmenter is not None:
        other_segmenter = replace(run.experiment, segmenter=other_segmenter).absolute().segmenter
    if other_segmenter is not None or not (run.folder / "robustness.json").exists():
        run.write("robustness.json", {"other_segmenter": other_segmenter})
