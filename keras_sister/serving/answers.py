"""What an export says of photos: the numbers it answers with, and the tags that they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.schema import Schema


@dataclass(frozen=True)
class Tag:
    """One attribute of a photo.

    Attributes:
        value: the class that is predicted.
        probability: how probable that class is, in [0, 1].
    """

    value: str
    probability: float


@dataclass(frozen=True)
class Tags:
    """What an export says of one photo.

    Attributes:
        photo: the file.
        attributes: a tag for each attribute, by name, in the schema's order; empty if the photo could not be read.
        person_share: the share of the photo's pixels that are person, in [0, 1]; None if no segmenter is inside.
        error: why the photo could not be read; None if it could.
    """

    photo: Path
    attributes: dict[str, Tag] = field(default_factory=dict)
    person_share: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dicts, strings and numbers."""
        attributes = {
            name: {"class": tag.value, "probability": tag.probability} for name, tag in self.attributes.items()
        }
        return {**asdict(self), "photo": str(self.photo), "attributes": attributes}


@dataclass(frozen=True)
class Answer:
    """What an export answers of one photo, in numbers.

    Attributes:
        probabilities: by attribute, float32: the positive class's, shape (), or those of k classes, shape (k,); empty
            if the photo could not be read.
        person_share: the share of the photo's pixels that are person, in [0, 1]; None if no segmenter is inside.
        error: why the photo could not be read; None if it could.
    """

    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    person_share: float | None = None
    error: str | None = None


def to_answers(outputs: Mapping[str, np.ndarray], errors: Sequence[str | None]) -> list[Answer]:
    """The answer for each photo of a batch.

    Args:
        outputs: of the signature ``serving_default``, by name, each with the batch first.
        errors: for each photo why it could not be read; such a photo was asked about as no bytes.
    """
    probabilities = dict(outputs)
    shares, decoded = probabilities.pop("person_share", None), probabilities.pop("decoded")
    answers = []
    for row, error in enumerate(errors):
        if error or not decoded[row]:
            answers.append(Answer(error=error or "not a JPEG or PNG, a broken one, or one of too many pixels"))
        else:
            share = None if shares is None else float(shares[row])
            answers.append(Answer({name: output[row] for name, output in probabilities.items()}, share))
    return answers


def to_tags(schema: Schema, photo: Path, answer: Answer) -> Tags:
    """An answer in words."""
    if answer.error:
        return Tags(photo, error=answer.error)
    tags = {}
    for attribute in schema:
        output = answer.probabilities[attribute.name]
        probabilities = [1 - output, output] if attribute.is_binary else output
        # Of two equal ones the positive class is taken, as `Schema.predict` does.
        best = int(output >= 0.5) if attribute.is_binary else int(np.argmax(output))
        tags[attribute.name] = Tag(attribute.classes[best], float(probabilities[best]))
    return Tags(photo, tags, answer.person_share)
