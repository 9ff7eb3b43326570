"""``sister-keras tag``: the tags of photos, by an export."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keras_sister.serving.choices import ENGINES, RUNTIMES

from .progress import count_unknown
from .quiet import import_tensorflow
from .show_tags import show_tags

if TYPE_CHECKING:
    from keras_sister.catalogue.job import Job


@click.command(short_help="Tag photos with an export.")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write a table: a name in .parquet, .csv or .jsonl.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="With --out: minimum probability of a tag.",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted job in --out.")
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
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="With --out: this machine, or the Ray cluster of RAY_ADDRESS.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per photo, with every attribute.")
@click.pass_context
def tag(
    context: click.Context,
    model: Path,
    sources: tuple[str, ...],
    out: Path | None,
    threshold: float,
    resume: bool,
    runtime: str,
    batch_size: int,
    engine: str,
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
    find /photos -name '*.jpg' | sister-keras tag saved_models/sister_a - --out tags.jsonl --runtime openvino
    """
    if out is None and (resume or engine != "local"):
        raise click.UsageError(f"{'--resume' if resume else '--engine'} goes with --out.")
    import_tensorflow()
    from keras_sister.catalogue.job import Job
    from keras_sister.catalogue.sources import photo_paths
    from keras_sister.photo_files import LeftOut
    from keras_sister.serving.tagger import Tagger

    left_out = LeftOut()
    photos = photo_paths(sources, stdin=sys.stdin.buffer if sys.stdin else io.BytesIO(), left_out=left_out)
    failed = False
    if out is not None:
        _write_table(Job(model, threshold, runtime, batch_size), photos, out, engine=engine, resume=resume)
    else:
        tagger = Tagger(model, runtime=runtime)
        failed = show_tags(tagger.tag(map(Path, photos), batch_size=batch_size), tagger.schema, as_json=as_json)
    if left_out:
        click.echo(left_out, err=True)
    context.exit(int(failed))


def _write_table(job: "Job", photos: Iterator[str], out: Path, *, engine: str, resume: bool) -> None:
    from keras_sister.catalogue.job import Engine
    from keras_sister.catalogue.tag_catalogue import tag_catalogue

    chosen: Engine
    if engine == "ray":
        from keras_sister.catalogue.ray_engine import RayEngine

        chosen = RayEngine(job)
    else:
        from keras_sister.catalogue.local_engine import LocalEngine

        chosen = LocalEngine(job)
    with count_unknown("photos") as show:
        done = tag_catalogue(chosen, photos, out, resume=resume, on_photos=show)
    click.echo(f"{out}: {done.photos} photos, {done.errors} of them could not be read")
