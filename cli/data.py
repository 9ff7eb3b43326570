"""``sister-keras data``: check a dataset, or make a synthetic one."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .progress import count


@click.group(short_help="Check a dataset, or make synthetic photos.")
def data() -> None:
    """Check a dataset, or make a synthetic one."""


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check(context: click.Context, folder: Path, as_json: bool) -> None:
    """Show the contents and the problems of the dataset in DIR.

    DIR is in DCSA's layout: images/000001.jpg … and labels/<attribute>_GT.mat, optionally masks/000001.png. The
    exit code is 1 if the dataset cannot be used for training.

    \b
    sister-keras data check DCSA
    """
    from keras_sister.data.check import check_dataset
    from keras_sister.data.dcsa import find_photos

    photos, _ = find_photos(folder)
    with count("photos", len(photos)) as step:
        report = check_dataset(folder, on_photo=step)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=1))
    else:
        _show(report, Console())
    context.exit(1 if report.problems else 0)


@data.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photos", type=click.IntRange(1, 999_999), default=400, show_default=True, help="Number of photos.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
def street(out: Path, photos: int, seed: int) -> None:
    """Make synthetic photos of people on streets in OUT, in DCSA's layout, with person masks.

    \b
    sister-keras data street street --photos 400 --seed 0
    """
    from keras_sister.street import write_street

    with count("photos", photos) as step:
        write_street(out, photos=photos, seed=seed, on_photo=step)
    click.echo(f"{photos} photos in {out}\nNext: sister-keras data check {out}")


def _show(report: Any, console: Console) -> None:
    if report.photos:
        console.print(f"[bold]{report.photos} photos[/] in {report.folder}, {report.masks} masks")
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
            counts = "  ".join(f"{label} [bold]{number}[/]" for label, number in found["counts"].items())
            table.add_row(name, f"{100 * found['unknown']:.1f} %", counts)
        console.print(table)
    for heading, style, lines in (("warning", "yellow", report.warnings), ("problem", "red", report.problems)):
        for line in lines:
            console.print(f"[{style}]{heading}[/] ", end="")
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not report.problems:
        console.print("[green]No problems found.[/]")
