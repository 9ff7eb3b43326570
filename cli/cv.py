"""``sister-keras cv``: cross-validate one system on one dataset."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from keras_sister.config import SYSTEMS, Experiment, load_experiment
from keras_sister.segmentation.segmenters.open import check_segmenter

from .compare import show_comparison
from .dataset import dataset_argument, on_unknown_value_option, open_and_show_notes
from .engine import training_engine, training_engine_options
from .experiment import NOTES, SECTIONS, experiment_options, experiment_to_run, settings_given, track_option
from .pedestrian_line import pedestrian_line
from .percent import percent
from .progress import RunProgress, both
from .quiet import import_quietly, say_loading
from .report import write_page
from .review import list_issues, write_sheet
from .robustness_table import robustness_table
from .sections import SectionedCommand

if TYPE_CHECKING:
    from keras_sister.data.dataset import Dataset


def _several(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The systems of a list with commas, each once."""
    systems = tuple(dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip()))
    for name in systems:
        if name not in SYSTEMS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(SYSTEMS)}.")
    if value is not None and not systems:
        raise click.BadParameter(f"name one or more of {', '.join(SYSTEMS)}, with commas between them.")
    return systems


@click.command(cls=SectionedCommand, sections=SECTIONS, notes=NOTES, short_help="Cross-validate a system on a dataset.")
@dataset_argument
@on_unknown_value_option
@experiment_options
@click.option(
    "--systems",
    callback=_several,
    metavar="SYSTEM,SYSTEM…",
    help="Instead of --system: cross-validate several, each into OUT/SYSTEM, and compare them with the first.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder to create; with --systems, the folder in which each system gets one."
    "  [default: runs/SYSTEM; with --systems runs]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run in --out, with its settings; with --systems, a system that has not begun takes"
    " those of the first that has.",
)
@track_option
@training_engine_options
@click.option(
    "--robustness",
    is_flag=True,
    help="Test every photo in front of other backgrounds and with wrong masks too; with --resume, also for a finished"
    " run.",
)
@click.option(
    "--other-segmenter",
    metavar="SEGMENTER",
    help="With --robustness, for systems that take masks: try the masks of this segmenter in place of its own.",
)
@click.pass_context
def cv(
    context: click.Context,
    dataset: Path,
    on_unknown_value: str | None,
    systems: tuple[str, ...],
    out: Path | None,
    resume: bool,
    track: tuple[str, ...],
    robustness: bool,
    other_segmenter: str | None,
    **settings: Any,
) -> None:
    """Cross-validate a system on DATASET: a folder in DCSA's layout, or a dataset file of `data init`.

    Every photo is tested once, by a model that was not trained on it; a validation split of the training photos selects
    the epoch. The defaults are the paper's where it has them.

    \b
    sister-keras cv DCSA --system sister_a --segmenter FCN --out runs/sister_a
    sister-keras cv dataset.yaml --systems sister_a,baseline --trainable head
    sister-keras cv street --system baseline --backbone resnet_mini \\
        --weights none --size 112 --folds 4 --epochs 30 --learning-rate 1e-3
    sister-keras cv DCSA --out runs/sister_a --resume --robustness
    sister-keras cv DCSA --engine ray --address 10.0.0.1:6379 --gpus-per-fold 0.5
    """
    if other_segmenter is not None and not robustness:
        raise click.UsageError("--other-segmenter goes with --robustness.")
    if systems and context.get_parameter_source("system") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--system or --systems, not both.")
    of_all = out or Path("runs")
    named = {of_all / system: {"system": system} for system in systems}
    runs = named or {out or of_all / settings_given(context).get("system", Experiment.system): {}}
    sibling = _first_begun(of_all, systems) if systems and resume else None
    base = load_experiment(sibling / "config.yaml") if sibling else None
    experiments = {}
    for folder, wanted in runs.items():
        if sibling and not (folder / "config.yaml").exists():
            click.echo(f"{folder} has not begun; it takes the settings of {sibling}.", err=True)
        experiments[folder] = experiment_to_run(context, folder, resume=resume, base=base, wanted=wanted)
    _warn_of_many_passes(experiments.values())
    to_train = [one for folder, one in experiments.items() if not (folder / "summary.json").exists()]
    for segmenter in dict.fromkeys(one.segmenter for one in to_train if one.needs_masks):
        check_segmenter(segmenter)  # a system that does not use it may be trained first
    take_masks = any(experiment.needs_masks for experiment in experiments.values())
    if other_segmenter is not None and take_masks:
        check_segmenter(other_segmenter)
    engine = training_engine(context)
    photos = open_and_show_notes(dataset, on_unknown_value=on_unknown_value)
    (import_quietly if "tensorboard" in track else say_loading)()  # which the workers do
    if len(experiments) > 1:
        from keras_sister.training.tower_check import check_towers

        check_towers(to_train)
    for folder, experiment in experiments.items():
        if systems:
            click.echo(f"{experiment.system}:", err=True)
        _cross_validate(
            photos,
            experiment,
            folder,
            track,
            resume=resume,
            robustness=robustness,
            other_segmenter=other_segmenter if experiment.needs_masks or not take_masks else None,
            engine=engine,
        )
    if len(experiments) > 1:
        click.echo()
        show_comparison(tuple(experiments))
        write_page(tuple(experiments), of_all / "report.html")


def _warn_of_many_passes(experiments: Iterable[Experiment]) -> None:
    """Name the settings by which frozen towers see the photos in every epoch of every fold, instead of once."""
    causes = [name for one in experiments if one.trainable == "head" for name in one.each_fold_alone]
    if causes:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in dict.fromkeys(causes))
        click.echo(
            f"--trainable head with {options}: each fold is trained on its own, which takes much longer than one pass"
            " through the towers for all folds.",
            err=True,
        )


def _first_begun(out: Path, systems: tuple[str, ...]) -> Path | None:
    """The first run folder of a system in `out` that has settings; those of `systems` come first."""
    folders = (out / system for system in (*systems, *SYSTEMS))
    return next((folder for folder in folders if (folder / "config.yaml").exists()), None)


def _cross_validate(
    photos: "Dataset", experiment: Experiment, out: Path, track: tuple[str, ...], *, robustness: bool, **how: Any
) -> None:
    """Cross-validate one system, show its scores, and write its lists and its page."""
    from keras_sister.run import Run
    from keras_sister.training.cross_validation import cross_validate
    from keras_sister.training.tracking import tracked

    folds = 1 if experiment.split else experiment.folds
    how_to_resume = "with --resume --robustness" if robustness else "with --resume"
    with tracked(Run(out), track) as on_event:
        with RunProgress(folds=folds, how_to_resume=how_to_resume) as progress:
            shown = both(progress.show, on_event)
            summary = cross_validate(photos, experiment, out, robustness=robustness, on_event=shown, **how)
        _show(summary, out)
        click.echo(f"\nRun folder: {out}")
        flagged = list_issues(out)
        write_page((out,), out / "report.html")
        write_sheet(out, flagged)


def _show(summary: dict[str, Any], out: Path) -> None:
    Console().print(_table(summary))
    click.echo(_interval(summary))
    if summary["pedestrian"]:
        click.echo(pedestrian_line(summary["pedestrian"]))
    unknown = [str(number) for number, fold in enumerate(summary["folds"]) if fold["macc"] is None]
    if unknown:
        click.echo(f"\nLeft out of mean and spread, because no label of theirs is known: folds {', '.join(unknown)}")
    if "robustness" in summary:
        click.echo()
        Console().print(robustness_table({out.name: summary["robustness"]}))


def _table(summary: dict[str, Any]) -> Table:
    table = Table(title="Accuracy on held-out photos, %", title_justify="left")
    for heading in ("attribute", "known", "majority", "accuracy"):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    for name, scores in summary["attributes"].items():
        known = f"{scores['known']}"
        table.add_row(name, known, *(percent(scores[answer]) for answer in ("majority", "accuracy")))
    table.add_section()
    spreads = [f"{percent(summary[a]['mean'])} ± {percent(summary[a]['std'])}" for a in ("majority", "macc")]
    table.add_row("MACC, mean ± std over folds", "", *spreads, style="bold")
    return table


def _interval(summary: dict[str, Any]) -> str:
    low, high = summary["macc"]["interval"]
    units = f"{summary['photos']} photos" if summary["groups"] is None else f"{summary['groups']} groups"
    macc = percent(summary["macc"]["pooled"])
    return f"MACC over all photos {macc} %, 95 % interval {percent(low)} to {percent(high)} ({units})"
