"""``sister-keras tag``: the tags of photos, by an export."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from .progress import going_through
from .quiet import import_tensorflow

if TYPE_CHECKING:
    from keras_sister.schema import Schema
    from keras_sister.serving.tagger import Tagger, Tags


@click.command()
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write a table: a name in .parquet, .csv or .jsonl.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="With --out: how probable a tag is at least.",
)
@click.option("--resume", is_flag=True, help="Go on with the table in --out where it stopped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each photo, with every attribute.")
@click.pass_context
def tag(
    context: click.Context,
    model: Path,
    sources: tuple[str, ...],
    out: Path | None,
    threshold: float,
    resume: bool,
    as_json: bool,
) -> None:
    """Tag photos with MODEL, a folder made by 'sister-keras export'.

    A SOURCE is a photo, a folder of photos (and of folders), a pattern, FILE.csv:COLUMN for the paths in a column, or -
    for paths on standard input. Shown are the class of each attribute that has several, and the yes-or-no ones that
    are yes. With --out all probabilities go into a table, a row for each photo. One that cannot be read is reported in
    its place; without --out the exit code is then 1.

    \b
    sister-keras tag saved_models/sister_a me.jpg you.png
    sister-keras tag saved_models/sister_a catalogue --out tags.parquet
    sister-keras tag saved_models/sister_a products.csv:photo --out tags.csv --resume
    """
    import_tensorflow()
    from keras_sister.serving.sources import photo_paths
    from keras_sister.serving.tagger import Tagger

    photos = photo_paths(sources, stdin=sys.stdin)
    tagger = Tagger(model)
    if out is not None:
        _write_table(tagger, photos, out, threshold=threshold, resume=resume)
    else:
        failed = _show(tagger, photos, as_json=as_json)
        context.exit(int(failed))


def _write_table(tagger: "Tagger", photos: Iterator[str], out: Path, *, threshold: float, resume: bool) -> None:
    from keras_sister.serving.catalogue import tag_catalogue

    with going_through("photos") as show:
        done = tag_catalogue(tagger, photos, out, threshold=threshold, resume=resume, on_photos=show)
    click.echo(f"{out}: {done.photos} photos, {done.errors} of them could not be read")


def _show(tagger: "Tagger", photos: Iterator[str], *, as_json: bool) -> bool:
    """Print tags as they come; whether a photo could not be read."""
    console, failed = Console(), False
    for tags in tagger.tag([Path(photo) for photo in photos]):
        failed = failed or tags.error is not None
        if as_json:
            click.echo(json.dumps(tags.to_dict()))
        elif tags.error:
            click.echo(f"{tags.photo}: {tags.error}\n", err=True)
        else:
            person = "" if tags.person_share is None else f", {tags.person_share:.0%} of it person"
            click.echo(f"{tags.photo}{person}")
            console.print(_table(tags, tagger.schema))
    return failed


def _table(tags: "Tags", schema: "Schema") -> Table:
    several = [attribute for attribute in schema if not attribute.is_binary]
    positive = [a for a in schema if a.is_binary and tags.attributes[a.name].value == a.classes[1]]
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    table.add_column(justify="right")
    for attribute in (*several, *positive):
        found = tags.attributes[attribute.name]
        table.add_row(attribute.name, found.value, f"{found.probability:.0%}")
    return table
