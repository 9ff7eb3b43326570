"""``sister-keras explain``: heat maps of both towers, and how much each contributes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keras_sister.errors import InputError
from keras_sister.explanation.choices import METHODS

from .quiet import import_tensorflow

if TYPE_CHECKING:
    from keras_sister.explanation.explain import Explanation


@click.command(short_help="Show where a model looks on a photo.")
@click.argument("model", metavar="MODEL|RUN", type=click.Path(path_type=Path))
@click.argument("photos", metavar="PHOTO…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--attribute", "attributes", multiple=True, required=True, help="Attribute to explain; may be repeated.")
@click.option("--class", "class_name", metavar="CLASS", help="Class to explain.  [default: the predicted one]")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="gradient",
    show_default=True,
    help="Grad-CAM, or hiding one patch after another, which is slower.",
)
@click.option(
    "--segmenter", metavar="SEGMENTER", help="Source of the person masks.  [default: the run's own, or selfie]"
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each photo and attribute.")
@click.pass_context
def explain(
    context: click.Context,
    model: Path,
    photos: tuple[Path, ...],
    attributes: tuple[str, ...],
    class_name: str | None,
    method: str,
    segmenter: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Draw heat maps of photos: which parts of each view speak for a class, and how much each tower contributes.

    Give a .keras file, or the RUN of 'train' or 'cv'. Of a cv run, each of its photos is explained by the fold that was
    tested on it. --out gets a PNG for each photo and attribute. A photo that cannot be read is reported in its place;
    the exit code is then 1.

    \b
    sister-keras explain runs/sister_a me.jpg --attribute neckline --out maps
    sister-keras explain sister.keras me.jpg you.jpg --attribute neckline \\
        --class round --segmenter fcn --out maps --json
    """
    if class_name is not None and len(set(attributes)) > 1:
        raise click.UsageError("--class goes with one --attribute.")
    if not model.exists():
        raise InputError(f"{model}: no such file or folder.")
    import_tensorflow()
    from keras_sister.explanation.explain import explain_photos

    failed, noted = False, set()
    attributes = tuple(dict.fromkeys(attributes))
    found = explain_photos(
        model, photos, out, attributes=attributes, class_name=class_name, method=method, segmenter=segmenter
    )
    for item in found:
        if isinstance(item, InputError):
            failed = True
            click.echo(f"Error: {item}", err=True)
            continue
        if item.note and item.photo not in noted:
            noted.add(item.photo)
            click.echo(f"{item.to_dict()['photo']}: {item.note}", err=True)
        click.echo(json.dumps(item.to_dict()) if as_json else _line(item))
    context.exit(int(failed))


def _line(item: "Explanation") -> str:
    values = item.to_dict()
    found = f"{values['attribute']}: {values['class']} {100 * values['probability']:.1f} %"
    if values["contributions"] is None:
        parts = f"no contributions: {values['reason']}"
    else:
        parts = " ".join(f"{name} {part:+.3f}" for name, part in values["contributions"].items())
        parts = f"logit {values['logit']:+.3f} = bias {values['bias']:+.3f} {parts}"
    return f"{values['photo']}  {found}  {parts}  {values['picture']}"
