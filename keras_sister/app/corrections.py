"""Corrections of tags, kept as tasks of Label Studio; `sister-keras data apply` takes them into a dataset."""

import hashlib
from pathlib import Path
from typing import Any

from keras_sister.errors import InputError
from keras_sister.explanation.score import check_class
from keras_sister.photo_files import read_photo
from keras_sister.review.label_studio import choice, labelling_config, task_data
from keras_sister.schema import Schema
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import read_json, write_json, write_text
from keras_sister.storage.lock import locked

_WAIT = 10
"""Seconds to wait for another page that keeps a correction in the same folder."""


def keep_correction(folder: Path, photo: Path, schema: Schema, attribute: str, class_name: str) -> Path:
    """Keep the right class of one attribute of a photo, as a task of Label Studio with an annotation.

    A photo has one task, ``<sha256>.json``, a list of one as Label Studio imports it, beside a copy of the photo. A
    second correction of the photo is added to it; one of the same attribute replaces the first. The labelling
    configuration for all tasks is ``labelling.xml``.

    Args:
        folder: where tasks are kept; created if it is missing. Label Studio must serve the folder above it.
        photo: the photo file.
        schema: attributes and classes.
        attribute: name of the attribute.
        class_name: its right class.

    Returns:
        The file of the task.

    Raises:
        InputError: for an unknown attribute or class; if the photo, or the task of before, cannot be read; if another
            process does not let go of the folder.
        OSError: if it cannot be written.

    Example:
        >>> keep_correction(Path("corrections"), Path("me.jpg"), DCSA, "neckline", "round")
        PosixPath('corrections/0f9c….json')
    """
    check_class(schema.attribute(attribute), class_name)
    contents = read_photo(photo)
    sha256 = hashlib.sha256(contents).hexdigest()
    file, copy = folder / f"{sha256}.json", folder.resolve() / f"{sha256}{photo.suffix.lower()}"
    results: list[dict[str, Any]] = []
    with locked(folder, wait=_WAIT):
        if file.exists():
            results = [result for result in _results(file) if result["from_name"] != attribute]
        results.append(choice(attribute, class_name))
        if not copy.exists():
            write_atomically(copy, lambda path: path.write_bytes(contents))
        text = "; ".join(f"{result['from_name']}: corrected" for result in results)
        data = task_data(copy, root=copy.parent.parent, name=photo.name, sha256=sha256, text=text)
        write_json(file, [{"data": data, "annotations": [{"result": results}]}])
        write_text(folder / "labelling.xml", labelling_config(schema))
    return file


def _results(file: Path) -> list[dict[str, Any]]:
    try:
        (task,) = read_json(file)
        results = task["annotations"][0]["result"]
        if not all(isinstance(result["from_name"], str) for result in results):
            raise TypeError
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{file}: not a task that this page has written; move it away.") from error
    return results
