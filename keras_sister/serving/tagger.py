"""Tag photos with an export, by TensorFlow alone: what a server would answer."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError
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


class Tagger:
    """An export, loaded.

    Args:
        folder: of one version, ``saved_models/NAME/1``, or of all, ``saved_models/NAME``: then the highest is taken.

    Attributes:
        schema: what it tells of a photo.
        fingerprint: of the graph and the weights.

    Raises:
        InputError: if there is no export, or not a whole one, naming the folder.

    Example:
        >>> tagger = Tagger(Path("saved_models/sister_a"))
        >>> [tags.attributes["neckline"].value for tags in tagger.tag([Path("me.jpg")])]
        ['v_shape']
    """

    def __init__(self, folder: Path) -> None:
        folder = _version(folder)
        self.schema = Schema.load(folder / "assets.extra" / "schema.json")
        try:
            self._answer = tf.saved_model.load(str(folder)).signatures["serving_default"]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise InputError(f"{folder}: not a SavedModel that loads: {str(error).splitlines()[0]}") from error
        self.fingerprint = _fingerprint(folder)

    def tag(self, photos: Sequence[Path], *, batch: int = 8) -> Iterator[Tags]:
        """Tag photos.

        Args:
            photos: JPEG or PNG files of any size. One that is missing or broken has an `error` in its place.
            batch: photos to decode and tag at once.

        Yields:
            The tags of each photo, in order.
        """
        for start in range(0, len(photos), batch):
            some = photos[start : start + batch]
            yield from map(self._tags, some, self.answer(some))

    def answer(self, photos: Sequence[Path]) -> list[Answer]:
        """Tag one batch of photos, in numbers; may be called from several threads at once.

        Args:
            photos: as for `tag`, at least one.

        Returns:
            The answer for each, in order.
        """
        contents, errors = zip(*(_read(photo) for photo in photos), strict=True)
        outputs = {name: out.numpy() for name, out in self._answer(image_bytes=tf.constant(contents)).items()}
        shares = outputs.pop("person_share", None)
        decoded = outputs.pop("decoded")
        answers = []
        for row, error in enumerate(errors):
            if error or not decoded[row]:
                answers.append(Answer(error=error or "not a JPEG or PNG, or a broken one"))
            else:
                share = None if shares is None else float(shares[row])
                answers.append(Answer({name: output[row] for name, output in outputs.items()}, share))
        return answers

    def _tags(self, photo: Path, answer: Answer) -> Tags:
        if answer.error:
            return Tags(photo, error=answer.error)
        return Tags(photo, self._attributes(answer.probabilities), answer.person_share)

    def _attributes(self, outputs: dict[str, np.ndarray]) -> dict[str, Tag]:
        tags = {}
        for attribute in self.schema:
            output = outputs[attribute.name]
            probabilities = [1 - output, output] if attribute.is_binary else output
            # Of two equal ones the positive class is taken, as `Schema.predict` does.
            best = int(output >= 0.5) if attribute.is_binary else int(np.argmax(output))
            tags[attribute.name] = Tag(attribute.classes[best], float(probabilities[best]))
        return tags


def _version(folder: Path) -> Path:
    if (folder / "saved_model.pb").exists():
        return folder
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and (path / "saved_model.pb").exists()]
    if not versions:
        raise InputError(
            f"{folder}: no export; expected saved_models/NAME or saved_models/NAME/1, made by 'sister-keras export'."
        )
    return max(versions, key=lambda version: int(version.name))


def _read(photo: Path) -> tuple[bytes, str | None]:
    """A file's bytes, or none and why."""
    try:
        return photo.read_bytes(), None
    except OSError as error:
        return b"", error.strerror or os.strerror(error.errno or 0)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in (folder / "saved_model.pb", *sorted((folder / "variables").iterdir())):
        with file.open("rb") as contents:
            digest.update(hashlib.file_digest(contents, "sha256").digest())
    return digest.hexdigest()
