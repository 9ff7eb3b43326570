"""``sister-keras query``: the tags of photos, by a running TensorFlow Serving."""

from pathlib import Path

import click

from keras_sister.serving.choices import REST_FORMATS

from .photos import find
from .quiet import import_tensorflow
from .show_tags import show_tags


@click.command(short_help="Tag photos with a running TensorFlow Serving.")
@click.argument("url")
@click.argument("photos", metavar="PHOTO…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--schema",
    "export",
    required=True,
    type=click.Path(path_type=Path),
    help="The served export, or its schema.json, for the class names.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Photos per request; a batching server accepts at most its max_batch_size.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30,
    show_default=True,
    help="Time limit of a request, in seconds.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Retries while the server is unavailable or overloaded.",
)
@click.option(
    "--rest-format", type=click.Choice(REST_FORMATS), default="row", show_default=True, help="Format of REST requests."
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Header of every request, such as 'Authorization: Bearer …'; for gRPC its metadata. May be repeated.",
)
@click.option(
    "--tls-roots",
    type=click.Path(path_type=Path),
    help="PEM file of the certificate authorities to trust, for https and grpcs.  [default: the usual ones]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per photo, with every attribute.")
@click.pass_context
def query(
    context: click.Context,
    url: str,
    photos: tuple[Path, ...],
    export: Path,
    batch_size: int,
    timeout: float,
    retries: int,
    rest_format: str,
    headers: tuple[str, ...],
    tls_roots: Path | None,
    as_json: bool,
) -> None:
    """Tag PHOTOs, files or folders (and the folders in them), with the TensorFlow Serving at URL.

    The URL is http://HOST:8501/v1/models/NAME for REST, or grpc://HOST:8500/NAME for gRPC, which needs pip install
    'keras-sister[serving]'. A photo that cannot be read is reported in its place; the exit code is then 1.

    \b
    sister-keras query http://127.0.0.1:8501/v1/models/sister_a me.jpg \\
        --schema saved_models/sister_a
    sister-keras query grpc://127.0.0.1:8500/sister_a *.jpg \\
        --schema saved_models/sister_a --json > tags.jsonl
    """
    if url.startswith("grpc"):
        import_tensorflow()
    from keras_sister.client.connect import connect, query_photos
    from keras_sister.serving.export_folder import read_export_schema

    schema = read_export_schema(export)
    client = connect(
        url,
        timeout=timeout,
        retries=retries,
        rest_format=rest_format,
        headers=dict(map(_header, headers)),
        tls_roots=tls_roots,
    )
    files = find(photos)
    errors = show_tags(query_photos(client, schema, files, batch_size=batch_size), schema, as_json=as_json)
    context.exit(int(errors > 0))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.BadParameter("expected NAME: VALUE.", param_hint="--header")
    return name.strip(), value.strip()
