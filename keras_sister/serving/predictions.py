"""OutOfFold of an export: probabilities, and the tags that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.photo_kinds import why_not_decoded
from keras_sister.schema import Schema

DECODED, PERSON_SHARE = "decoded", "person_share"
"""Names of the export's outputs beside the attributes; no attribute may have them."""


@dataclass(frozen=True)
class Tag:
    """The predicted class of one attribute.

    Attributes:
        value: the class.
        probability: its probability, in [0, 1].
    """

    value: str
    probability: float


@dataclass(frozen=True)
class Tags:
    """The tags of one photo.

    Attributes:
        photo: the file.
        attributes: a tag per attribute, by name, in the order of the schema; empty if the photo could not be read.
        person_share: share of the photo's pixels that are person, in [0, 1]; None if the export has no segmenter.
        error: why the photo could not be read; None if it could.
    """

    photo: Path
    attributes: dict[str, Tag] = field(default_factory=dict)
    person_share: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, strings and numbers."""
        attributes = {
            name: {"class": tag.value, "probability": tag.probability} for name, tag in self.attributes.items()
        }
        return {**asdict(self), "photo": str(self.photo), "attributes": attributes}


@dataclass(frozen=True)
class Prediction:
    """The prediction for one photo, in numbers.

    Attributes:
        probabilities: by attribute, float32: of the positive class, shape (), or of k classes, shape (k,); empty if
            the photo could not be read.
        person_share: share of the photo's pixels that are person, in [0, 1]; None if the export has no segmenter.
        error: why the photo could not be read; None if it could.
    """

    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    person_share: float | None = None
    error: str | None = None


def to_predictions(
    outputs: Mapping[str, np.ndarray], errors: Sequence[str | None], contents: Sequence[bytes]
) -> list[Prediction]:
    """Split the outputs of a batch into one prediction per photo.

    Args:
        outputs: outputs of the signature ``serving_default``, by name, each with the batch first.
        errors: for each photo why its file could not be read, or None.
        contents: for each photo the bytes that were sent, to say why they were not decoded.
    """
    probabilities = dict(outputs)
    shares, decoded = probabilities.pop(PERSON_SHARE, None), probabilities.pop(DECODED)
    predictions = []
    for row, error in enumerate(errors):
        if error or not decoded[row]:
            predictions.append(Prediction(error=error or why_not_decoded(contents[row])))
        else:
            share = None if shares is None else float(shares[row])
            predictions.append(Prediction({name: output[row] for name, output in probabilities.items()}, share))
    return predictions


def to_tags(schema: Schema, photo: Path, prediction: Prediction) -> Tags:
    """The tags that follow from a prediction."""
    if prediction.error:
        return Tags(photo, error=prediction.error)
    tags = {}
    for attribute in schema:
        output = prediction.probabilities[attribute.name]
        probabilities = [1 - output, output] if attribute.is_binary else output
        # At exactly 0.5 the positive class is predicted, as in `Schema.predict`.
        best = int(output >= 0.5) if attribute.is_binary else int(np.argmax(output))
        tags[attribute.name] = Tag(attribute.classes[best], float(probabilities[best]))
    return Tags(photo, tags, prediction.person_share)
