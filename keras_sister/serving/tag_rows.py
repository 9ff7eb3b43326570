"""What a catalogue's table says of a photo."""

import os

from keras_sister.schema import Attribute, Schema
from keras_sister.serving.answers import Answer
from keras_sister.serving.tag_files import Row


def columns(schema: Schema) -> dict[str, type]:
    """The columns of a table and what is in them.

    ``photo`` is the path as it was given (see `readable`); ``tags`` are those of `tag_row`; ``person_share`` is None
    without a segmenter; ``error`` is None for a photo that could be read. Then come the probabilities: a column of a
    binary attribute's name, of its positive class, and ``attribute=class`` for each class of the others.
    """
    probabilities = [name for attribute in schema for name in _names(attribute)]
    return {"photo": str, "tags": list, "person_share": float, "error": str, **dict.fromkeys(probabilities, float)}


def tag_row(photo: str, answer: Answer, schema: Schema, threshold: float) -> Row:
    """The row of a photo.

    Its tags are the names of binary attributes whose positive class is at least as probable as `threshold`, and
    ``attribute=class`` of others whose best class is.
    """
    row: Row = {"photo": readable(photo), "tags": [], "person_share": answer.person_share, "error": answer.error}
    for attribute in schema:
        names = _names(attribute)
        if answer.error is not None:
            row |= dict.fromkeys(names)
            continue
        probabilities = [float(p) for p in answer.probabilities[attribute.name].ravel()]
        row |= dict(zip(names, probabilities, strict=True))
        best = max(range(len(names)), key=probabilities.__getitem__)
        if probabilities[best] >= threshold:
            row["tags"].append(names[best])
    return row


def readable(path: str) -> str:
    r"""A path that every table can hold: bytes that are no UTF-8, as in names of old archives, become ``\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _names(attribute: Attribute) -> list[str]:
    return [attribute.name] if attribute.is_binary else [f"{attribute.name}={name}" for name in attribute.classes]
