"""``sister-keras app``: a page to try a model on."""

import tempfile
import threading
from pathlib import Path

import click

from keras_sister.app.address import check_address
from keras_sister.extras import require

from .quiet import import_tensorflow


@click.command(short_help="Open a page to try a model on photos.")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option(
    "--segmenter", metavar="SEGMENTER", help="Source of the person masks.  [default: the run's own, or selfie]"
)
@click.option(
    "--corrections",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("corrections"),
    show_default=True,
    help="Folder for corrected tags, as tasks of Label Studio.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), default=7860, show_default=True, help="Port of the page.")
@click.option(
    "--max-megabytes",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    help="Size of the largest photo file that is taken.",
)
def app(model: Path, segmenter: str | None, corrections: Path, host: str, port: int, max_megabytes: int) -> None:
    """Open a page in which to try MODEL on photos: an export, the RUN of 'train' or 'cv', or a .keras file.

    It shows the person without the background, the tags, and, but for exports, where the model looks. Ctrl-C closes it.
    It serves this computer only, unless --host says otherwise; it has no password, and sends nothing anywhere.

    \b
    sister-keras app saved_models/sister_a
    sister-keras app runs/final --corrections corrections --port 8080
    """
    require(("gradio",), "The app needs gradio", "app")
    check_address(host, port)
    import_tensorflow()
    from keras_sister.app.page import build_page, open_page
    from keras_sister.app.shown_model import open_shown_model

    shown = open_shown_model(model, segmenter)
    with tempfile.TemporaryDirectory() as uploads:
        page = build_page(shown, model.name or str(model), uploads=Path(uploads), corrections=corrections)
        click.echo(f"{open_page(page, host=host, port=port, max_megabytes=max_megabytes)} — Ctrl-C closes it.")
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)
