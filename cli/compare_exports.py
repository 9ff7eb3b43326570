"""``sister-keras compare-exports``: how many tags change from one export to another."""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_sister.errors import counted

from .progress import count
from .quiet import import_tensorflow

if TYPE_CHECKING:
    from keras_sister.catalogue.compare_exports import ExportComparison


@click.command("compare-exports", short_help="Count the tags that differ between two exports.")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.argument("sources", metavar="PHOTO…", nargs=-1, required=True)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Photos per call of the network."
)
@click.option("--trust", is_flag=True, help="Load A and B even if their graphs can write files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare_exports(
    first: Path, second: Path, sources: tuple[str, ...], batch_size: int, trust: bool, as_json: bool
) -> None:
    """Tag PHOTOs with the exports A and B, and count the tags that differ, by attribute.

    A and B are versions, saved_models/NAME/1, or exports, of which the highest version is used. A PHOTO is a source as
    'sister-keras tag' takes it. Photos that one of the exports cannot read are counted apart.

    \b
    sister-keras compare-exports saved_models/sister_a/1 \\
        saved_models/sister_a/2 catalogue
    """
    import_tensorflow()
    from keras_sister.catalogue.compare_exports import compare_exports as compare
    from keras_sister.catalogue.sources import list_photos
    from keras_sister.photo_files import LeftOut
    from keras_sister.serving.tagger import Tagger
    from keras_sister.storage.json_files import to_json

    stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()
    left_out = LeftOut()
    photos = list(list_photos(sources, stdin=stdin, on_note=lambda note: click.echo(note, err=True), left_out=left_out))
    if left_out:
        click.echo(left_out, err=True)
    with count("photos", len(photos)) as advance:
        ours, theirs = (Tagger(folder, trust=trust) for folder in (first, second))
        found = compare(ours, theirs, photos, batch_size=batch_size, on_photo=advance)
    if as_json:
        click.echo(to_json(found.to_dict()))
    else:
        _show(found)


def _show(found: "ExportComparison") -> None:
    table = Table(title="Tags that differ", title_justify="left")
    for heading in ("attribute", "photos", "%", "from → to"):
        table.add_column(heading, justify="right" if heading in ("photos", "%") else "left")
    for name, change in sorted(found.attributes.items(), key=lambda item: -item[1].changed):
        changes = ", ".join(f"{text} {number}" for text, number in list(change.changes.items())[:3])
        table.add_row(name, str(change.changed), f"{100 * change.changed / change.photos:.1f}", escape(changes))
    Console().print(table)
    click.echo(f"{found.changed_photos} of {found.photos} photos have a tag that differs")
    if found.errors:
        click.echo(f"{counted(found.errors, 'photo')} could not be read, {len(found.only_one_read)} by one export only")
    for name, only in (("A", found.only_first), ("B", found.only_second)):
        if only:
            click.echo(f"Only in {name}: {', '.join(only)}")
