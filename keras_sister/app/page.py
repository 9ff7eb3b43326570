"""The page, made with Gradio. Nothing on it is loaded from elsewhere, and nothing is sent anywhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from keras_sister.app.address import check_address
from keras_sister.app.corrections import keep_correction
from keras_sister.app.shown_model import ShownModel
from keras_sister.errors import InputError
from keras_sister.extras import require
from keras_sister.schema import Schema
from keras_sister.storage.disk_errors import disk_error

_FONTS = ["ui-sans-serif", "system-ui", "sans-serif"]  # Gradio's own come from Google
_MONO = ["ui-monospace", "monospace"]
_CSS = "#tags * { font-family: var(--font) !important; font-size: 0.85rem !important; }"
_SIDE = 320  # of the person's picture; views are smaller
_COLUMNS = ["attribute", "tag", "probability"]
_PICTURE = {"interactive": False, "format": "png", "buttons": ["download", "fullscreen"]}  # without Gradio's "share"


def build_page(model: ShownModel, name: str, *, uploads: Path, corrections: Path) -> Any:
    """Build the page of a model.

    Args:
        model: see `keras_sister.app.shown_model.open_shown_model`.
        name: of the model, for the heading.
        uploads: the folder for photos that are sent to the page; who calls this removes it.
        corrections: the folder of corrected tags; created with the first one.

    Returns:
        A ``gradio.Blocks``, to be opened by `open_page`. Its functions are named ``tag``, ``heat_map`` and ``keep``.

    Raises:
        InputError: if Gradio is not installed.
    """
    gr = _gradio()
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    names = model.schema.names
    with gr.Blocks(title=f"keras-sister: {name}", analytics_enabled=False) as page:
        gr.Markdown(
            f"# {name}\nDrop, paste or take a photo. It goes to the computer that serves this page, nowhere else."
        )
        with gr.Row():
            photo = _without_pillow(
                gr.Image(
                    label="Photo",
                    type="filepath",
                    sources=["upload", "webcam", "clipboard"],
                    height=_SIDE + 40,
                    elem_id="photo",
                )
            )
            person = gr.Image(label="Person, background removed", height=_SIDE + 40, elem_id="person", **_PICTURE)
        note = gr.Markdown()
        tags = gr.Dataframe(
            label="Tags",
            headers=_COLUMNS,
            column_widths=["41%", "30%", "29%"],  # all three fit on a phone
            wrap=True,
            interactive=False,
            max_height=2000,
            elem_id="tags",
        )
        with gr.Row(equal_height=True):
            attribute = gr.Dropdown(names, value=names[0], label="Attribute", elem_id="attribute")
            explain = gr.Button("Show where the model looks", interactive=not model.no_heat_maps)
        # Without its label, which would hide what is written at the top of the picture.
        picture = gr.Image(
            label="Heat maps", show_label=False, visible=not model.no_heat_maps, elem_id="maps", **_PICTURE
        )
        gr.Markdown(model.no_heat_maps)
        with gr.Row(equal_height=True):
            right = gr.Dropdown(list(_tags(model.schema)), value=None, label="Right tag", elem_id="right")
            keep = gr.Button("Keep as a correction")
        kept = gr.Markdown()
        shown = _Functions(gr, model, corrections)
        photo.change(shown.tag, photo, [person, note, tags], api_name="tag")
        photo.change(
            lambda: (None, None, ""), None, [picture, right, kept], api_visibility="private"
        )  # of another photo
        explain.click(shown.heat_map, [photo, attribute], picture, api_name="heat_map")
        keep.click(shown.keep, [photo, right], kept, api_name="keep")
    return page


def open_page(page: Any, *, host: str, port: int, max_megabytes: int) -> str:
    """Serve a page, without a public link and without telemetry.

    Args:
        page: of `build_page`.
        host: address to listen on; the loopback address serves this computer only.
        port: its port.
        max_megabytes: the largest photo file that is taken.

    Returns:
        The page's address; ``page.close()`` closes it.

    Raises:
        InputError: as `check_address` does.
    """
    gr = _gradio()
    check_address(host, port)
    _, url, _ = page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        inbrowser=False,
        prevent_thread_lock=True,
        max_file_size=f"{max_megabytes}mb",
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=[],
        css=_CSS,
        theme=gr.themes.Default(font=_FONTS, font_mono=_MONO),
    )
    return str(url)


class _Functions:
    """What the page calls; a mistake of the user becomes a message on the page."""

    def __init__(self, gr: Any, model: ShownModel, corrections: Path) -> None:
        self.gr = gr
        self.model = model
        self.corrections = corrections

    def tag(self, photo: str | None) -> tuple[Any, str, list[list[str]]]:
        if photo is None:
            return None, "", []
        with self._messages(photo):
            shown = self.model.show(Path(photo))
        rows = [
            [tag.attribute, tag.value if tag.sure else f"not sure ({tag.value})", f"{100 * tag.probability:.1f} %"]
            for tag in shown.tags
        ]
        person = None if shown.person is None else Image.fromarray(shown.person).resize((_SIDE, _SIDE))
        return person, shown.note, rows

    def heat_map(self, photo: str | None, attribute: str) -> Any:
        if photo is None:
            raise self._message("Choose a photo first.")
        with self._messages(photo):
            return self.model.heat_map(Path(photo), attribute)

    def keep(self, photo: str | None, tag: str | None) -> str:
        if photo is None or tag is None:
            raise self._message("Choose a photo and the right tag first.")
        attribute, class_name = _tags(self.model.schema)[tag]
        with self._messages(photo):
            keep_correction(self.corrections, Path(photo), self.model.schema, attribute, class_name)
        return f"Kept {tag} in `{self.corrections}`"

    @contextmanager
    def _messages(self, photo: str) -> Iterator[None]:
        """Errors as messages that name the photo as the visitor does, and not by where it was put."""
        try:
            yield
        except (InputError, OSError) as error:
            said = disk_error(error) if isinstance(error, OSError) else error
            raise self._message(str(said).replace(photo, Path(photo).name)) from error

    def _message(self, text: str) -> Exception:
        error: Exception = self.gr.Error(text, duration=None, print_exception=False)
        return error


def _without_pillow(photo: Any) -> Any:
    """The field for the photo, of which Pillow sees nothing.

    Gradio's own opens each file with Pillow first: what that cannot read, such as HEIC, got no message. It is no
    subclass, for which Gradio would write a file beside this one.
    """
    photo.preprocess = lambda payload: None if payload is None else payload.path
    return photo


def _tags(schema: Schema) -> dict[str, tuple[str, str]]:
    """Every tag, such as ``neckline = round``, with its attribute and class."""
    return {f"{a.name} = {class_name}": (a.name, class_name) for a in schema for class_name in a.classes}


def _gradio() -> Any:
    require(("gradio",), "The app needs gradio", "app")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when it is imported
    import gradio

    return gradio
