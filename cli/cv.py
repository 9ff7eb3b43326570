"""``sister-keras cv``: cross-validate one or several systems on one dataset."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from keras_sister.config import Experiment

from .compare import show_comparison
from .dataset import dataset_argument, on_unknown_value_option, open_and_show_notes
from .engine import training_engine, training_engine_options
from .experiment import NOTES, SECTIONS, experiment_options, track_option
from .pedestrian_line import pedestrian_line
from .percent import percent
from .planned_runs import planned_runs, several_runs_options
from .progress import RunProgress, both, progress_of
from .quiet import import_quietly, say_loading
from .report import write_page
from .review import list_issues, write_sheet
from .robustness_table import robustness_table
from .sections import SectionedCommand

if TYPE_CHECKING:
    from keras_sister.run import OnEvent


@click.command(cls=SectionedCommand, sections=SECTIONS, notes=NOTES, short_help="Cross-validate a system on a dataset.")
@dataset_argument
@on_unknown_value_option
@experiment_options
@several_runs_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder to create; with --systems or --seeds, the folder in which each gets one."
    "  [default: runs/SYSTEM; with --systems or --seeds runs]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run in --out, with its settings; with --systems or --seeds, a run that has not begun"
    " takes those of one that has.",
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
    sister-keras cv DCSA --systems sister_a,baseline --seeds 0,1,2
    sister-keras cv street --system baseline --backbone resnet_mini \\
        --weights none --size 112 --folds 4 --epochs 30 --learning-rate 1e-3
    sister-keras cv DCSA --out runs/sister_a --resume --robustness
    sister-keras cv DCSA --engine ray --address 10.0.0.1:6379 --gpus-per-fold 0.5
    """
    if other_segmenter is not None and not robustness:
        raise click.UsageError("--other-segmenter goes with --robustness.")
    experiments = planned_runs(context, out, resume=resume)
    _warn_of_many_passes(experiments.values())
    engine = training_engine(context)
    photos = open_and_show_notes(dataset, on_unknown_value=on_unknown_value)
    (import_quietly if "tensorboard" in track else say_loading)()  # which the workers do
    from keras_sister.training.cross_validation import cross_validate_several

    with progress_of(experiments, f"with --resume{' --robustness' if robustness else ''}") as progress:
        cross_validate_several(
            photos,
            experiments,
            resume=resume,
            robustness=robustness,
            other_segmenter=other_segmenter,
            engine=engine,
            on_run=lambda folder: _shown(folder, track, progress),
        )
    if len(experiments) > 1:
        click.echo()
        show_comparison(tuple(experiments))
        write_page(tuple(experiments), (out or Path("runs")) / "report.html")


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


@contextmanager
def _shown(folder: Path, track: tuple[str, ...], progress: RunProgress) -> Iterator["OnEvent"]:
    """Show the progress of a run, and when it has ended its scores; write its lists and its page."""
    from keras_sister.run import Run
    from keras_sister.training.tracking import tracked

    run = Run(folder)
    with tracked(run, track) as on_event:
        with progress.of_run(folder) as show:
            yield both(show, on_event)
        with progress.results():
            _show(run.read("summary.json"), folder)
            click.echo(f"\nRun folder: {folder}")
            flagged = list_issues(folder)
            write_page((folder,), folder / "report.html")
            write_sheet(folder, flagged)


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
