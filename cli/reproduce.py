"""``sister-keras reproduce``: make a table or figure of the paper."""

import re
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markdown import Markdown

from keras_sister.errors import InputError
from keras_sister.reproduction.plan import TABLES

from .dataset import dataset_argument, open_and_show_notes
from .engine import training_engine, training_engine_options
from .experiment import NOTES, SECTIONS, override_options, settings_given
from .progress import progress_of
from .sections import SectionedCommand


@click.command(cls=SectionedCommand, sections=SECTIONS, notes=NOTES, short_help="Make a table or figure of the paper.")
@click.argument("table", metavar="TABLE", type=click.Choice(TABLES))
@dataset_argument
@click.option(
    "--segmenter",
    "segmenters",
    multiple=True,
    metavar="[NAME=]SEGMENTER",
    help="Segmenter for NAME, as 'cv --segmenter' takes it; without NAME, for all experiments.",
)
@override_options
@training_engine_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="reproduced",
    show_default=True,
    help="Folder for the tables and their runs.",
)
@click.pass_context
def reproduce(
    context: click.Context, table: str, dataset: Path, segmenters: tuple[str, ...], out: Path, **settings: Any
) -> None:
    """Make a TABLE or figure of the paper from the photos of DATASET.

    TABLE is table1, table2, table3, twin, figure4 or figure5 of the paper, or systems, which compares all systems.

    Runs missing experiments, resumes interrupted ones, and writes TABLE.md, TABLE.csv and TABLE.png. The settings are
    the paper's. With other settings, the table lists the deviations and leaves the paper's numbers out. Several
    --backbone have a row each.

    \b
    sister-keras reproduce table2 DCSA --segmenter fcn8s-voc=fcn
    sister-keras reproduce table1 DCSA --segmenter fcn8s-voc=fcn \\
        --segmenter deeplab-cfpd=deeplab
    sister-keras reproduce systems street --segmenter fcn \\
        --backbone resnet_mini --person-backbone resnet_mini --weights none \\
        --size 72 --folds 8 --epochs 16 --batch-size 16 --learning-rate 1e-3 \\
        --augment
    """
    from keras_sister.reproduction.picture import check_matplotlib
    from keras_sister.reproduction.plan import make_plan
    from keras_sister.reproduction.reproduce import reproduce_table

    check_matplotlib()
    engine = training_engine(context)
    photos = open_and_show_notes(dataset)
    settings = settings_given(context)
    if "system" in settings:
        raise InputError(f"{context.params['config']}: remove 'system'; {table} determines the systems.")
    named, everywhere = _segmenters(segmenters)
    plan = make_plan(table, photos, settings={**settings, **everywhere}, segmenters=named)
    console = Console(stderr=True)
    console.print(f"{plan.title}: {len(plan.cells)} runs", highlight=False)
    for deviation in plan.deviations:
        console.print(f"Deviation from the paper: {deviation}", highlight=False, markup=False)

    with progress_of(plan.runs(out), how_to_resume="with the same command") as progress:
        reproduce_table(plan, photos, out, engine=engine, on_run=progress.of_run)
    Console().print(Markdown((out / f"{table}.md").read_text(encoding="utf-8")))
    click.echo("\n".join(str(out / f"{table}.{ending}") for ending in ("md", "csv", "png")))


def _segmenters(given: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    # A segmenter may contain a = too, as in saved_model:PATH#person=15.
    named = dict(text.split("=", 1) for text in given if re.match(r"[\w-]+=", text))
    alone = [text for text in given if not re.match(r"[\w-]+=", text)]
    if len(alone) > 1:
        raise InputError(f"--segmenter: {' and '.join(alone)} have no name; give NAME=SEGMENTER for each.")
    return named, {"segmenter": alone[0]} if alone else {}
