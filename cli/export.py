"""``sister-keras export``: make a SavedModel of a run."""

import shlex
from pathlib import Path

import click

from keras_sister.serving.choices import FORMATS, PRECISIONS

from .quiet import import_tensorflow


@click.command(short_help="Export a final model as a SavedModel.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of all versions of the export.  [default: saved_models/NAME of RUN]",
)
@click.option(
    "--segmenter",
    metavar="SEGMENTER",
    help="Person segmenter in place of the run's own, as 'cv --segmenter' takes it.  [default: the run's own]",
)
@click.option(
    "--photo",
    "photos",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Photo for the verification; may be repeated.  [default: some of the run's]",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Compute precision of the network; bfloat16 is faster on CPUs that support it.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    help="Export the network in this format too; may be repeated. Each needs its extra.",
)
def export(
    run: Path,
    out: Path | None,
    segmenter: str | None,
    photos: tuple[Path, ...],
    precision: str,
    formats: tuple[str, ...],
) -> None:
    """Export the model of RUN, made by 'sister-keras train', for TensorFlow Serving and 'sister-keras tag'.

    The export includes the segmenter: it takes JPEG, PNG or WebP bytes and returns one named output per attribute. It
    is loaded without Keras and compared with the model; if they differ, nothing is written.

    \b
    sister-keras export runs/final --out saved_models/sister_a
    sister-keras export runs/final --out saved_models/sister_a \\
        --format onnx --format openvino
    """
    import_tensorflow()
    import tensorflow

    from keras_sister.export.export_run import export_run
    from keras_sister.export.server_files import serving_image
    from keras_sister.run import Run

    out = out or Path("saved_models") / run.resolve().name
    exported = export_run(Run(run), out, segmenter=segmenter, photos=photos, precision=precision, formats=formats)
    name, place = shlex.quote(out.resolve().name), shlex.quote(f"{out.resolve()}:/models/{out.resolve().name}:ro")
    click.echo(f"{exported.folder}\nLargest difference from the Keras model: {exported.difference:.1e}\n")
    click.echo(f"Tag photos:  sister-keras tag {shlex.quote(str(out))} PHOTO…")
    ports = "-p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501"
    click.echo(
        f"Serve it:    docker run {ports} -v {place} -e MODEL_NAME={name} {serving_image(tensorflow.__version__)}"
    )
