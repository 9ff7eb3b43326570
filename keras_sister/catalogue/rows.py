"""The columns and rows of a catalogue's table."""

from collections.abc import Sequence

from keras_sister.catalogue.table_formats import Row
from keras_sister.errors import InputError
from keras_sister.schema import Attribute, Schema
from keras_sister.serving.predictions import DIGITS, Prediction, tag_name

FINGERPRINT = "fingerprint"
"""Column of the hash of a photo's file, the export and the settings of the job; empty if the file could not be read."""

OF_EVERY_TABLE = ("tags", "not_sure", "person_share", "error", FINGERPRINT)
"""Columns by which a table of tags is told from any other."""

PHOTOS = "photos"
"""Column of the number of photos that a product's row is made from."""


def table_columns(schema: Schema, keep: Sequence[str] = (), *, group_by: str | None = None) -> dict[str, type]:
    """The columns of a table, with the type of their values.

    ``photo`` is the photo as the input names it, followed by the columns in `keep`; ``tags`` and ``not_sure`` are those
    of `table_row`; ``person_share`` is None without a segmenter; ``error`` is None for a photo that could be read. The
    probabilities follow, not calibrated, with six digits: for a no-or-yes attribute one column with its name, for
    another binary attribute one column ``attribute=class`` of its positive class, for others one such column for each
    class. The last column is `FINGERPRINT`. With `group_by`, a column of products, the table begins with that column
    and `PHOTOS`, in place of ``photo``.

    Raises:
        InputError: if a column in `keep`, or `group_by`, has the name of another. Attributes never have, see
            `keras_sister.schema.RESERVED_NAMES`.
    """
    probabilities = [name for attribute in schema for name in _names(attribute)]
    ours = {"photo": str, "tags": list, "not_sure": list, "person_share": float, "error": str, FINGERPRINT: str}
    names = {"photo": ours.pop("photo")}
    if group_by is not None:
        names = {group_by: str, PHOTOS: int}
    taken = [*names, *keep, *ours, *probabilities]
    for name in (*keep, *names):
        if taken.count(name) > 1:
            option = f"--keep {name}" if name in keep else f"--group-by {group_by}"
            if keep.count(name) > 1 or (name in keep and name == group_by):
                raise InputError(f"{option}: the column is in the table already; give it once.")
            raise InputError(f"{option}: the table has another column '{name}'; rename it in the input.")
    numbers = dict.fromkeys(probabilities, float)
    last = ours.pop(FINGERPRINT)
    return {**names, **dict.fromkeys(keep, str), **ours, **numbers, FINGERPRINT: last}


def table_row(prediction: Prediction, schema: Schema, threshold: float | None) -> Row:
    """The row of a photo, without the columns of the input; its `FINGERPRINT` is the SHA-256 of the file.

    Without a `threshold` the tags are what the export decided for: the names of no-or-yes attributes that are *yes*,
    and ``attribute=class`` of the others; ``not_sure`` names the attributes that it left undecided. With a `threshold`,
    and for an export without thresholds from 0.5, the tags are those whose probability in the table reaches it: of
    no-or-yes attributes *yes*, of others the most probable class; ``not_sure`` is then empty.
    """
    row: Row = {"tags": [], "not_sure": [], "person_share": _rounded(prediction.person_share)}
    row["error"] = prediction.error
    decisions = prediction.decisions if threshold is None else None
    for i, attribute in enumerate(schema):
        names = _names(attribute)
        if prediction.error is not None:
            row |= dict.fromkeys(names)
            continue
        probabilities = [float(p) for p in prediction.probabilities[attribute.name].ravel()]
        row |= dict(zip(names, map(_rounded, probabilities), strict=True))
        if decisions is not None:
            _add_decision(row, attribute, int(decisions[i]))
            continue
        if attribute.is_binary:
            probabilities = [1 - probabilities[0], probabilities[0]]
        if attribute.classes == ("no", "yes"):
            best = 1
        else:  # at exactly 0.5 the positive class, as in `Schema.predict`
            best = max(range(len(probabilities)), key=lambda i: (probabilities[i], attribute.is_binary and i))
        if probabilities[best] >= (0.5 if threshold is None else threshold):
            row["tags"].append(tag_name(attribute, attribute.classes[best]))
    return {**row, FINGERPRINT: prediction.sha256}


def _add_decision(row: Row, attribute: Attribute, decision: int) -> None:
    if decision < 0:
        row["not_sure"].append(attribute.name)
    elif attribute.classes != ("no", "yes") or decision == 1:
        row["tags"].append(tag_name(attribute, attribute.classes[decision]))


def error_row(columns: Sequence[str], error: str) -> Row:
    """The row of an input row that names no photo."""
    return {**dict.fromkeys(columns), "tags": [], "not_sure": [], "error": error}


def _names(attribute: Attribute) -> list[str]:
    return [tag_name(attribute, name) for name in (attribute.classes[1:] if attribute.is_binary else attribute.classes)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
