"""``sister-keras data``: start from a table, check a dataset, correct its labels, or make a synthetic one."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_sister.data.choices import DATASET_FILE_SUFFIXES
from keras_sister.errors import InputError, counted

from .dataset import dataset_argument, on_unknown_value_option
from .progress import count
from .quiet import import_tensorflow
from .review import apply, review


@click.group(short_help="Start from a table, check or correct a dataset.")
def data() -> None:
    """Start from a table of your own, check a dataset, correct its labels, or make a synthetic one."""


data.add_command(review)
data.add_command(apply)


@data.command(short_help="Propose a dataset file for a table.")
@click.argument("table", metavar="TABLE", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default="dataset.yaml", show_default=True, help="Dataset file to write."
)
def init(table: Path, out: Path) -> None:
    """Look at a TABLE of your own and propose a dataset file for review.

    TABLE is CSV, TSV, Excel (.xlsx), JSON Lines or Parquet, with a heading, a column of photo paths, and columns of
    classes.

    \b
    sister-keras data init products.csv --out dataset.yaml
    """
    from keras_sister.data.proposal_file import to_dataset_file
    from keras_sister.data.propose import propose_dataset
    from keras_sister.data.tables import read_table
    from keras_sister.storage.json_files import write_text

    _check_dataset_name(out)
    if out.exists():
        raise InputError(f"{out}: already exists; choose another --out, or remove it.")
    proposal = propose_dataset(read_table(table))
    write_text(out, to_dataset_file(proposal, out))
    _show_proposal(proposal, Console())
    click.echo(f"\nReview {out}, then: sister-keras data check {out}")


@data.command()
@dataset_argument
@on_unknown_value_option
@click.option("--near-duplicates", is_flag=True, help="Also find photos that look alike although their files differ.")
@click.option(
    "--segmenter",
    metavar="SEGMENTER",
    help="Also find photos in which this segmenter, such as selfie, finds nobody; see 'segment apply --help'.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with the photos of each problem to this HTML file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check(
    context: click.Context,
    dataset: Path,
    on_unknown_value: str | None,
    near_duplicates: bool,
    segmenter: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Show the contents and the problems of DATASET.

    DATASET is a dataset file of `data init`, or a folder in DCSA's layout: images/000001.jpg … and
    labels/<attribute>_GT.mat, optionally masks/000001.png. The exit code is 1 if it cannot be used for training.

    \b
    sister-keras data check dataset.yaml
    sister-keras data check dataset.yaml --segmenter selfie \\
        --report check.html
    sister-keras data check DCSA
    """
    from keras_sister.data.open import inspect_dataset
    from keras_sister.storage.json_files import to_json

    inspection = inspect_dataset(dataset, on_unknown_value=on_unknown_value)
    import_tensorflow()
    from keras_sister.data.check import check_dataset

    preprocessor = _preprocessor(segmenter) if segmenter else None
    with count("photos", len(inspection.dataset) * (2 if preprocessor else 1)) as step:
        found = check_dataset(
            dataset,
            inspection=inspection,
            near_duplicates=near_duplicates,
            preprocessor=preprocessor,
            on_photo=step,
        )
    if as_json:
        click.echo(to_json(found.to_dict()))
    else:
        _show(found, Console())
    if report:
        from keras_sister.report.check_page import write_check_page

        write_check_page(found, report)
        click.echo(f"Page: {report}", err=as_json)
    context.exit(1 if found.problems else 0)


def _preprocessor(segmenter: str) -> Any:
    """The preprocessor of `cv` with its default size, whose masks it will then find in the cache."""
    from keras_sister.config import Experiment
    from keras_sister.segmentation.preprocessor import Preprocessor

    return Preprocessor(segmenter, size=Experiment.size)


@data.command(short_help="Make synthetic photos of people on streets.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photos", type=click.IntRange(1, 999_999), default=400, show_default=True, help="Number of photos.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--as",
    "layout",
    type=click.Choice(["dcsa", "table"]),
    default="dcsa",
    show_default=True,
    help="Labels as DCSA's files, or as a spreadsheet with groups, blanks, lists in cells and typos.",
)
def street(out: Path, photos: int, seed: int, layout: str) -> None:
    """Make synthetic photos of people on streets in OUT, with labels and person masks.

    \b
    sister-keras data street street --photos 400 --seed 0
    sister-keras data street shop --photos 400 --as table
    """
    from keras_sister.street import write_street

    click.echo(f"Drawing {counted(photos, 'photo')} …", err=True)  # its processes take two seconds to start
    with count("photos", photos, how_to_resume="with the same command") as step:
        write_street(out, photos=photos, seed=seed, layout=layout, on_photo=step)
    following = f"check {out}" if layout == "dcsa" else f"init {out / 'products.csv'} --out {out / 'dataset.yaml'}"
    click.echo(f"{counted(photos, 'photo')} in {out}\nNext: sister-keras data {following}")


@data.command("import", short_help="Import PA-100K, DeepFashion or PETA.")
@click.argument("name", type=click.Choice(["pa100k", "deepfashion", "peta"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default="dataset.yaml", show_default=True, help="Dataset file to write."
)
def import_(name: str, folder: Path, out: Path) -> None:
    """Import a published dataset from DIR, with its official split, as a dataset file and a table beside it.

    \b
    sister-keras data import pa100k PA-100K --out pa100k.yaml
    sister-keras cv pa100k.yaml --split --trainable head
    """
    from keras_sister.data.published.dataset import write_published
    from keras_sister.data.published.deepfashion import read_deepfashion
    from keras_sister.data.published.pa100k import read_pa100k
    from keras_sister.data.published.peta import read_peta

    _check_dataset_name(out)
    readers = {"pa100k": read_pa100k, "deepfashion": read_deepfashion, "peta": read_peta}
    dataset = readers[name](folder)
    table = write_published(dataset, out)
    parts = ", ".join(f"{part} {dataset.split.count(part):,}" for part in ("train", "val", "test"))
    click.echo(f"{out}, {table}: {len(dataset.photos):,} photos ({parts}), {len(dataset.attributes)} attributes")
    click.echo(f"Next: sister-keras cv {out} --split")


def _show_proposal(proposal: Any, console: Console) -> None:
    from keras_sister.data.proposal_file import describe_typo

    lines = [proposal.table.note, f"photo: {proposal.photo} ({proposal.missing} not found in {proposal.folder})"]
    lines.append(f"group: {proposal.group or 'none found'}")
    for heading, (name, classes) in proposal.columns.items():
        several = f", several in a cell by '{classes.separator}'" if classes.separator else ""
        shown = " ".join(heading.split())
        lines.append(f"{name}: {len(classes.counts)} classes in '{shown}'{several}, {classes.unknown} unknown")
        lines += [f"  please check: {describe_typo(typo)}" for typo in classes.typos]
    lines += [f"left out: {' '.join(heading.split())}, {reason}" for heading, reason in proposal.left_out.items()]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show(report: Any, console: Console) -> None:
    if report.photos:
        console.print(
            f"[bold]{counted(report.photos, 'photo')}[/] in {escape(report.folder)}, {counted(report.masks, 'mask')}"
        )
        for name, (low, middle, high) in (("width", report.widths), ("height", report.heights)):
            console.print(f"{name}: {low} to {high} pixels, median {middle}")
        if report.rotated:
            console.print(f"stored rotated: {report.rotated}, turned upright by their EXIF orientation")
        console.print("colours: " + ", ".join(f"{mode} {number}" for mode, number in report.modes.items()))
        table = Table(box=None)
        table.add_column("attribute")
        table.add_column("unknown", justify="right")
        table.add_column("photos of each class")
        for name, found in report.attributes.items():
            counts = "  ".join(f"{escape(label)} [bold]{number}[/]" for label, number in found["counts"].items())
            table.add_row(name, f"{100 * found['unknown']:.1f} %", counts)
        console.print(table)
    for note in report.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    for heading, style, lines in (("warning", "yellow", report.warnings), ("problem", "red", report.problems)):
        for line in lines:
            console.print(f"[{style}]{heading}[/] ", end="")
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not report.problems:
        console.print("[green]No problems found.[/]")


def _check_dataset_name(out: Path) -> None:
    if out.suffix.lower() not in DATASET_FILE_SUFFIXES:
        raise InputError(f"{out}: a dataset file has the suffix .yaml.")
