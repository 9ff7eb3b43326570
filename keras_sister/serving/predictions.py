"""Predictions of an export: probabilities, and the tags that follow from them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from keras_sister.photo_files import printable_path
from keras_sister.photo_kinds import why_not_decoded
from keras_sister.schema import Attribute, Schema

DECODED, PERSON_SHARE, SCHEMA_HASH = "decoded", "person_share", "schema_hash"
DECISIONS, CONFIDENCE = "decisions", "confidence"
"""Names of the export's outputs beside the attributes; no attribute may have them."""

DIGITS = 6
"""Digits after the point of a probability in tables and JSON; float32 has no more."""


@dataclass(frozen=True)
class Tag:
    """The predicted class of one attribute.

    Attributes:
        value: the class: the one that the export decided for, or the likeliest.
        probability: its probability, in [0, 1]; calibrated if the export has thresholds.
        sure: False if the export has thresholds and left the attribute undecided.
    """

    value: str
    probability: float
    sure: bool = True

    def to_dict(self) -> dict[str, Any]:
        """``class`` and ``probability``; undecided, ``class`` is None and ``likeliest`` the class of probability."""
        named = {"class": self.value} if self.sure else {"class": None, "likeliest": self.value}
        return {**named, "probability": round(self.probability, DIGITS)}


@dataclass(frozen=True)
class Tags:
    """The tags of one photo.

    Attributes:
        photo: the file, as it was given.
        attributes: a tag per attribute, by name, in the order of the schema; empty if the photo could not be read.
        person_share: share of the photo's pixels that are person, in [0, 1]; None if the export has no segmenter.
        error: why the photo could not be read; None if it could.
    """

    photo: str
    attributes: dict[str, Tag] = field(default_factory=dict)
    person_share: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, strings and numbers; bytes of a file name that are not UTF-8 become ``\\xe9``."""
        attributes = {name: tag.to_dict() for name, tag in self.attributes.items()}
        share = None if self.person_share is None else round(self.person_share, DIGITS)
        return {**asdict(self), "photo": printable_path(self.photo), "attributes": attributes, "person_share": share}


@dataclass(frozen=True)
class Prediction:
    """The prediction for one photo, in numbers.

    Attributes:
        probabilities: by attribute, float32: of the positive class, shape (), or of k classes, shape (k,); empty if
            the photo could not be read.
        person_share: share of the photo's pixels that are person, in [0, 1]; None if the export has no segmenter.
        error: why the photo could not be read; None if it could.
        sha256: hash of the file, as hexadecimal digits; None if it could not be read.
        decisions: int32, shape (attributes,): class indices, −1 = not sure; None if the export has no thresholds.
        confidence: float32, shape (attributes,): calibrated probabilities of the classes decided for, or of the
            likeliest ones; None likewise.
    """

    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    person_share: float | None = None
    error: str | None = None
    sha256: str | None = None
    decisions: np.ndarray | None = None
    confidence: np.ndarray | None = None


def tag_name(attribute: Attribute, class_name: str) -> str:
    """The tag of a class: the attribute's name where its classes are no and yes, else ``attribute=class``.

    Example:
        >>> tag_name(Attribute("gender", ("male", "female")), "female")
        'gender=female'
    """
    return (
        attribute.name
        if (attribute.classes, class_name) == (("no", "yes"), "yes")
        else f"{attribute.name}={class_name}"
    )


def to_predictions(
    outputs: Mapping[str, np.ndarray], contents: Sequence[bytes], errors: Sequence[str | None]
) -> list[Prediction]:
    """Split the outputs of a batch into one prediction per photo.

    Args:
        outputs: outputs of the signature ``serving_default``, by name, each with the batch first.
        contents: the bytes of the photos, for their hashes, and to say why they were not decoded.
        errors: for each photo why its file could not be read, or None.
    """
    probabilities = dict(outputs)
    shares, decoded = probabilities.pop(PERSON_SHARE, None), probabilities.pop(DECODED)
    probabilities.pop(SCHEMA_HASH, None)
    decisions, confidence = probabilities.pop(DECISIONS, None), probabilities.pop(CONFIDENCE, None)
    predictions = []
    for row, error in enumerate(errors):
        sha256 = None if error else hashlib.sha256(contents[row]).hexdigest()
        if error or not decoded[row]:
            reason = error or why_not_decoded(contents[row])
            predictions.append(Prediction(error=reason, sha256=sha256))
        else:
            share = None if shares is None else float(shares[row])
            values = {name: output[row] for name, output in probabilities.items()}
            decided = [None if of_all is None else of_all[row] for of_all in (decisions, confidence)]
            predictions.append(Prediction(values, share, None, sha256, *decided))
    return predictions


def to_tags(schema: Schema, photo: str, prediction: Prediction) -> Tags:
    """The tags that follow from a prediction."""
    if prediction.error:
        return Tags(photo, error=prediction.error)
    tags = {}
    for i, attribute in enumerate(schema):
        output = prediction.probabilities[attribute.name]
        probabilities = [1 - output, output] if attribute.is_binary else output
        # At exactly 0.5 the positive class is predicted, as in `Schema.predict`.
        best = int(output >= 0.5) if attribute.is_binary else int(np.argmax(output))
        if prediction.decisions is None or prediction.confidence is None:
            tags[attribute.name] = Tag(attribute.classes[best], float(probabilities[best]))
        else:
            decision, confidence = int(prediction.decisions[i]), float(prediction.confidence[i])
            sure = decision >= 0
            tags[attribute.name] = Tag(attribute.classes[decision if sure else best], confidence, sure)
    return Tags(photo, tags, prediction.person_share)
