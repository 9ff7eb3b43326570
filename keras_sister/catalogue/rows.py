"""The columns and rows of a catalogue's table."""

import os

from keras_sister.catalogue.table_formats import Row
from keras_sister.schema import Attribute, Schema
from keras_sister.serving.predictions import Prediction


def table_columns(schema: Schema) -> dict[str, type]:
    """The columns of a table, with the type of their values.

    ``photo`` is the path as it was given (see `printable_path`); ``tags`` are those of `table_row`; ``person_share`` is
    None without a segmenter; ``error`` is None for a photo that could be read. The probabilities follow: for a binary
    attribute one column with its name, for its positive class; for others ``attribute=class`` for each class.
    """
    probabilities = [name for attribute in schema for name in _names(attribute)]
    return {"photo": str, "tags": list, "person_share": float, "error": str, **dict.fromkeys(probabilities, float)}


def table_row(photo: str, prediction: Prediction, schema: Schema, threshold: float) -> Row:
    """The row of a photo.

    Its tags are the names of binary attributes whose positive class has at least the probability `threshold`, and
    ``attribute=class`` of the others whose most probable class has.
    """
    row: Row = {
        "photo": printable_path(photo),
        "tags": [],
        "person_share": prediction.person_share,
        "error": prediction.error,
    }
    for attribute in schema:
        names = _names(attribute)
        if prediction.error is not None:
            row |= dict.fromkeys(names)
            continue
        probabilities = [float(p) for p in prediction.probabilities[attribute.name].ravel()]
        row |= dict(zip(names, probabilities, strict=True))
        best = max(range(len(names)), key=probabilities.__getitem__)
        if probabilities[best] >= threshold:
            row["tags"].append(names[best])
    return row


def printable_path(path: str) -> str:
    r"""A path as valid text: bytes that are not UTF-8, as in names from old archives, become ``\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _names(attribute: Attribute) -> list[str]:
    return [attribute.name] if attribute.is_binary else [f"{attribute.name}={name}" for name in attribute.classes]
