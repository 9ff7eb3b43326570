"""``sister-keras report``: the page of one or several runs."""

from collections.abc import Sequence
from pathlib import Path

import click

from .quiet import import_tensorflow


@click.command(short_help="Write the page of one or several runs.")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write.  [default: RUN/report.html; of several runs report.html]",
)
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write the page of finished runs of `sister-keras cv`: one HTML file to open and send round.

    It shows scores with intervals, learning curves, confusion matrices, reliability, the most certain mistakes as
    pictures, and the data. Several runs must have the same photos, labels and folds; they are compared with the first.
    `cv` writes the page of its run by itself.

    \b
    sister-keras report runs/sister_a
    sister-keras report runs/baseline runs/sister_a --out both.html
    """
    write_page(runs, out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html")))


def write_page(runs: Sequence[Path], out: Path) -> None:
    """Write the page and say where it is."""
    import_tensorflow()
    from keras_sister.report.page import write_report

    for note in write_report(runs, out):
        click.echo(note, err=True)
    click.echo(f"Page: {out}")
