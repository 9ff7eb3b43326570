"""``sister-keras tag``: the tags of photos, by an export."""

import io
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keras_sister.errors import InputError, counted
from keras_sister.serving.choices import RUNTIMES

from .engine import check_engine_options, engine_options
from .progress import count_in_batches
from .quiet import import_tensorflow
from .show_tags import show_tags

if TYPE_CHECKING:
    from keras_sister.catalogue.job import Engine, Job
    from keras_sister.catalogue.listed_photo import ListedPhoto
    from keras_sister.catalogue.products import ListedProduct
    from keras_sister.catalogue.tag_catalogue import Summary

TOO_MANY_ERRORS = 3
"""Exit code where more than --max-errors photos could not be read."""

_OF_TABLES = ("resume", "update", "overwrite", "keep", "group_by", "summary")


@click.command(short_help="Tag photos with an export.")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write a table: a name in .parquet, .csv or .jsonl.")
@click.option(
    "--keep",
    metavar="COLUMN,…",
    help="With --out and TABLE:COLUMN: columns of the table to carry through.",
)
@click.option(
    "--group-by",
    metavar="COLUMN",
    help="With --out and TABLE:COLUMN: a row for each product of this column, from the mean of its photos' logits.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="With --out: minimum probability of a tag.  [default: as the export decides, else 0.5]",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted job in --out.")
@click.option(
    "--update", is_flag=True, help="If --out exists: tag photos that are new or changed, and keep the other rows."
)
@click.option("--overwrite", is_flag=True, help="If --out exists: replace it when the new table is complete.")
@click.option(
    "--max-errors",
    type=click.IntRange(0),
    metavar="N",
    help=f"End with exit code {TOO_MANY_ERRORS} when more than N photos cannot be read.",
)
@click.option("--summary", type=click.Path(path_type=Path), help="With --out: write the summary to this JSON file.")
@click.option("--null", is_flag=True, help="Paths on standard input end in a null byte, as from 'find -print0'.")
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default="tensorflow",
    show_default=True,
    help="Runtime of the network; OpenVINO needs an export in float32.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Photos per call of the network."
)
@engine_options("With --out: tag")
@click.option("--trust", is_flag=True, help="Load MODEL even if its graph can write files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per photo, with every attribute.")
@click.pass_context
def tag(context: click.Context, model: Path, sources: tuple[str, ...], out: Path | None, **options: Any) -> None:
    """Tag photos with MODEL, a folder made by 'sister-keras export'.

    A SOURCE is a photo, a folder of photos (and of folders), a pattern, TABLE:COLUMN for the paths in a column, or -
    for paths on standard input. The output has the class of each attribute; one with the classes no and yes is shown
    only if it is yes or not sure. With --out all probabilities go into a table, a row for each photo (for each product
    with --group-by). A photo that cannot be read is reported in its place; without --out the exit code is then 1. An
    export with thresholds decides the tags itself, and shows an attribute that it leaves undecided as "not sure".
    Printed probabilities are then calibrated; those in a table of --out are not.

    \b
    sister-keras tag saved_models/sister_a me.jpg you.png
    sister-keras tag saved_models/sister_a catalogue --out tags.parquet
    sister-keras tag saved_models/sister_a products.csv:photo --keep id,sku \\
        --out tags.csv --update
    find /photos -name '*.jpg' -print0 | \\
        sister-keras tag saved_models/sister_a - --null --out tags.jsonl --resume
    """
    if out is None:
        for name in (*_OF_TABLES, "engine"):
            if options[name] not in (None, False, "local"):
                raise click.UsageError(f"--{name.replace('_', '-')} goes with --out.")
    check_engine_options(context)
    if options["update"] and options["overwrite"]:
        raise click.UsageError("--update and --overwrite exclude each other.")
    import_tensorflow()
    from keras_sister.catalogue.sources import check_not_source, list_photos
    from keras_sister.photo_files import LeftOut

    kept = tuple(name.strip() for name in (options["keep"] or "").split(",") if name.strip())
    group_by = options["group_by"]
    keep = kept if group_by is None else (group_by, *kept)
    stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()
    for option in ("out", "summary"):
        if file := context.params[option]:
            check_not_source(file, sources, f"--{option}", stdin=stdin)
    left_out = LeftOut()
    photos = list_photos(sources, stdin=stdin, keep=keep, null=options["null"], on_note=_note, left_out=left_out)
    if out is not None:
        # Folders and lists are read once more, which takes far less than tagging; standard input cannot be.
        total = None if "-" in sources else sum(1 for _ in list_photos(sources, stdin=io.BytesIO(), keep=keep))
        items = photos if group_by is None else _products(photos, group_by, kept)
        code = _write_table(model, items, total, out, kept, options)
    else:
        code = _print_tags(model, photos, options)
    if left_out and code != TOO_MANY_ERRORS:  # then the folders were not read to their end
        _note(str(left_out))
    context.exit(code)


def _note(note: str) -> None:
    click.echo(note, err=True)


def _products(photos: "Iterator[ListedPhoto]", group_by: str, keep: tuple[str, ...]) -> "Iterator[ListedProduct]":
    from keras_sister.catalogue.products import group_photos, without_product

    products = group_photos(photos, group_by, keep)
    if note := without_product(products, group_by):
        _note(note)
    return iter(products)


def _print_tags(model: Path, photos: "Iterator[ListedPhoto]", options: dict[str, Any]) -> int:
    """Print the tags of every photo. Returns the exit code."""
    from keras_sister.catalogue.tag_listed import tag_listed
    from keras_sister.serving.tagger import Tagger

    tagger = Tagger(model, runtime=options["runtime"], trust=options["trust"])
    found = tag_listed(tagger, photos, batch_size=options["batch_size"])
    most = options["max_errors"]
    errors = show_tags(found, tagger.schema, as_json=options["as_json"], max_errors=most)
    if most is not None and errors > most:
        click.echo(f"Error: more than --max-errors {most} photos could not be read.", err=True)
        return TOO_MANY_ERRORS
    return int(errors > 0)


def _write_table(
    model: Path,
    photos: "Iterator[ListedPhoto] | Iterator[ListedProduct]",
    total: int | None,
    out: Path,
    keep: tuple[str, ...],
    options: dict[str, Any],
) -> int:
    """Write the table of every photo's tags. Returns the exit code."""
    from keras_sister.catalogue.job import Job
    from keras_sister.catalogue.tag_catalogue import UnreadablePhotosError, tag_catalogue
    from keras_sister.photo_files import PHOTO_SUFFIXES

    summary = options["summary"]
    if summary and not (summary.is_file() if summary.exists() else summary.absolute().parent.is_dir()):
        raise InputError(f"{summary}: cannot be written; --summary takes a file in a folder that exists.")
    if summary and summary.suffix.lower() in PHOTO_SUFFIXES:  # as where a shell expands --summary photos/*.jpg
        raise InputError(f"{summary}: named like a photo; --summary takes a name such as summary.json.")
    if summary and summary.resolve() == out.resolve():
        raise InputError(f"{summary}: given both as --out and as --summary; choose another.")
    job = Job(model, options["threshold"], options["runtime"], options["batch_size"], options["trust"])
    replace = "update" if options["update"] else "overwrite" if options["overwrite"] else None
    try:
        with count_in_batches("photos", total) as show:
            done = tag_catalogue(
                _engine(job, options["engine"], options["address"]),
                photos,
                out,
                keep=keep,
                group_by=options["group_by"],
                resume=options["resume"],
                replace=replace,
                max_errors=options["max_errors"],
                on_photos=show,
            )
    except UnreadablePhotosError as error:
        _write_summary(summary, error.summary, out)
        click.echo(f"Error: {error}", err=True)
        return TOO_MANY_ERRORS
    _write_summary(summary, done, out)
    _show_summary(done, out, options["group_by"])
    return 0


def _engine(job: "Job", name: str, address: str | None) -> "Engine":
    if name == "ray":
        from keras_sister.catalogue.ray_engine import RayEngine

        return RayEngine(job, address)
    from keras_sister.catalogue.local_engine import LocalEngine

    return LocalEngine(job)


def _write_summary(file: Path | None, summary: "Summary", out: Path) -> None:
    from keras_sister.photo_files import printable_path
    from keras_sister.storage.json_files import write_json

    if file is not None:
        write_json(file, {"out": printable_path(str(out)), **summary.to_dict()})


def _show_summary(done: "Summary", out: Path, group_by: str | None) -> None:
    from keras_sister.catalogue.tag_catalogue import common_reasons

    if group_by is None:
        click.echo(f"{out}: {counted(done.photos, 'photo')}, {done.errors} could not be read")
    else:
        click.echo(f"{out}: {counted(done.photos, 'row')} by {group_by}, {done.errors} with an unreadable photo")
    for line in common_reasons(done.reasons):
        click.echo(f"  {line}")
    kept = f", {counted(done.kept, 'row')} kept" if done.kept else ""
    rate = (
        f", {done.photos_per_second:.1f} {'photos' if group_by is None else 'rows'}/s" if done.photos_per_second else ""
    )
    click.echo(f"  {timedelta(seconds=round(done.seconds))}{rate}{kept}")
