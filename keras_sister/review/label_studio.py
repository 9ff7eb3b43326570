"""The formats of Label Studio: tasks with predictions, the labelling configuration, and the exports JSON and JSON-MIN.

    {"data": {"photo": "/data/local-files/?d=images/000017.jpg", "photo-name": "000017.jpg", "photo-sha256": "…",
              "tags": "neckline: labelled round, suggested v_shape"},
     "predictions": [{"model_version": …, "score": …, "result": [CHOICE, …]}],
     "annotations": [{"result": [CHOICE, …]}]}

A CHOICE is the class of one attribute; its control in the configuration has the attribute's name. In JSON-MIN the
choices stand among the data, so that the keys of `_DATA` are names that no attribute can have.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree  # nosec B405 # writes only

from keras_sister.errors import InputError, quoted
from keras_sister.photo_files import printable_path
from keras_sister.review.correction import Correction, check_hash
from keras_sister.schema import Schema

_PHOTO, _NAME, _SHA256, _TEXT = _DATA = ("photo", "photo-name", "photo-sha256", "tags")

JSON_MIN_KEYS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")
"""The keys that Label Studio adds to an item of JSON-MIN, in place of choices of these names."""


def labelling_config(schema: Schema) -> str:
    """The labelling configuration of a project: the photo, and a single choice for each attribute.

    Args:
        schema: attributes and classes.

    Returns:
        XML, to be pasted into the project's settings (Labeling Interface, Code).
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name=_PHOTO, value=f"${_PHOTO}")
    ElementTree.SubElement(view, "Text", name=_TEXT, value=f"${_TEXT}")
    for attribute in schema:
        ElementTree.SubElement(view, "Header", value=attribute.name, size="4")
        choices = {"name": attribute.name, "toName": _PHOTO, "choice": "single", "showInline": "true"}
        control = ElementTree.SubElement(view, "Choices", choices)
        for class_name in attribute.classes:
            ElementTree.SubElement(control, "Choice", value=class_name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def task_data(photo: Path, *, root: Path, name: str, sha256: str, text: str) -> dict[str, str]:
    """The ``data`` of a task.

    Args:
        photo: the photo file, below `root`.
        root: the folder that Label Studio serves, its ``LOCAL_FILES_DOCUMENT_ROOT``.
        name: name of the photo, for display.
        sha256: SHA-256 of its bytes.
        text: what is said about it, above the choices.
    """
    place = quote(os.fsencode(photo.relative_to(root).as_posix()))
    return {
        _PHOTO: f"/data/local-files/?d={place}",
        _NAME: printable_path(name),
        _SHA256: sha256,
        _TEXT: text,
    }


def choice(attribute: str, class_name: str) -> dict[str, Any]:
    """One item of a ``result``: the class of an attribute."""
    return {
        "id": attribute,
        "from_name": attribute,
        "to_name": _PHOTO,
        "type": "choices",
        "value": {"choices": [class_name]},
    }


def is_json_min(items: Sequence[Any]) -> bool:
    """Whether an export is JSON-MIN, in which choices stand among the data."""
    return any(isinstance(item, dict) and "data" not in item for item in items)


def read_label_studio(items: Sequence[Any], name: str) -> Iterator[Correction]:
    """Read an export of Label Studio, JSON or JSON-MIN. Predictions and cancelled annotations are no corrections.

    Args:
        items: the content of the file.
        name: what errors call the file.

    Raises:
        InputError: if an item is not one of Label Studio's, naming it.
    """
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise InputError(f"{name}, item {number}: not a task of Label Studio. Received: {quoted(item)}")
        minimal = "data" not in item
        data = item if minimal else item["data"]
        if not isinstance(data, dict):
            raise InputError(f"{name}, item {number}: not a task of Label Studio. Received: data {quoted(data)}")
        place = f"{name}, item {number} ({data.get(_NAME, 'without a name')})"
        sha256 = check_hash(place, data.get(_SHA256))
        found = _minimal_choices(item) if minimal else _choices(item, place)
        for attribute, classes in found:
            if isinstance(classes, str):
                classes = [classes]
            if not isinstance(classes, list) or not all(isinstance(c, str) for c in classes) or len(classes) > 1:
                raise InputError(f"{place}: '{attribute}' must be one class. Received: {quoted(classes)}")
            for class_name in classes:
                yield Correction(place, sha256, attribute, class_name)


def _minimal_choices(item: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of JSON-MIN: names of attributes, and their class or list of classes."""
    for key, value in item.items():
        if key not in (*_DATA, *JSON_MIN_KEYS):
            yield key, value


def _choices(task: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """Of JSON: names of attributes, and their lists of classes."""
    try:
        for annotation in task.get("annotations", []):
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                continue
            for result in annotation.get("result", []):
                if result["type"] == "choices":
                    yield str(result["from_name"]), result["value"]["choices"]
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{place}: not an annotation of Label Studio.") from error
