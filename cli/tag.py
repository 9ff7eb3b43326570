"""``sister-keras tag``: the tags of photos, by an export."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from .quiet import import_tensorflow

if TYPE_CHECKING:
    from keras_sister.schema import Schema
    from keras_sister.serving.tagger import Tags


@click.command()
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("photos", metavar="PHOTO…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each photo, with every attribute.")
@click.pass_context
def tag(context: click.Context, model: Path, photos: tuple[Path, ...], as_json: bool) -> None:
    """Tag PHOTOs with MODEL, a folder made by 'sister-keras export'.

    Shows the class of each attribute that has several, and the yes-or-no ones that are yes. A photo that cannot be
    read is reported in its place; the exit code is then 1.

    \b
    sister-keras tag saved_models/sister_a me.jpg you.png
    sister-keras tag saved_models/sister_a *.jpg --json > tags.jsonl
    """
    import_tensorflow()
    from keras_sister.serving.tagger import Tagger

    tagger = Tagger(model)
    console = Console()
    failed = False
    for tags in tagger.tag(photos):
        failed = failed or tags.error is not None
        if as_json:
            click.echo(json.dumps(tags.to_dict()))
        elif tags.error:
            click.echo(f"{tags.photo}: {tags.error}\n", err=True)
        else:
            person = "" if tags.person_share is None else f", {tags.person_share:.0%} of it person"
            click.echo(f"{tags.photo}{person}")
            console.print(_table(tags, tagger.schema))
    context.exit(int(failed))


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
