"""Tags of photos on a terminal, or as JSON lines."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from keras_sister.schema import Schema
    from keras_sister.serving.predictions import Tags


def show_tags(found: "Iterable[Tags]", schema: "Schema", *, as_json: bool, max_errors: int | None = None) -> int:
    """Print tags as they come.

    Returns:
        The number of photos that could not be read; it ends when there are more than `max_errors`.
    """
    console, errors = Console(), 0
    for tags in found:
        errors += tags.error is not None
        if as_json:
            click.echo(json.dumps(tags.to_dict()))
        elif tags.error:
            click.echo(f"{click.format_filename(tags.photo)}: {tags.error}\n", err=True)
        else:
            person = "" if tags.person_share is None else f", {tags.person_share:.0%} of it person"
            click.echo(f"{click.format_filename(tags.photo)}{person}")
            console.print(_table(tags, schema))
        if max_errors is not None and errors > max_errors:
            break
    return errors


def _table(tags: "Tags", schema: "Schema") -> Table:
    named = [attribute for attribute in schema if attribute.classes != ("no", "yes")]
    found = tags.attributes
    yes = [a for a in schema if a.classes == ("no", "yes") and (found[a.name].value == "yes" or not found[a.name].sure)]
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    table.add_column(justify="right")
    for attribute in (*named, *yes):
        tag = found[attribute.name]
        shown = tag.value if tag.sure else f"not sure ({tag.value})"
        table.add_row(attribute.name, escape(shown), f"{tag.probability:.0%}")
    return table
