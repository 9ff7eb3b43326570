"""Tag photos with an export, by TensorFlow alone: what a server would answer."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.serving.answers import Answer, Tags, to_answers, to_tags
from keras_sister.serving.export_folder import newest_version, schema_of
from keras_sister.serving.photo_files import read_photo


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
        folder = newest_version(folder)
        self.schema = schema_of(folder)
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
            yield from (to_tags(self.schema, *pair) for pair in zip(some, self.answer(some), strict=True))

    def answer(self, photos: Sequence[Path]) -> list[Answer]:
        """Tag one batch of photos, in numbers; may be called from several threads at once.

        Args:
            photos: as for `tag`, at least one.

        Returns:
            The answer for each, in order.
        """
        contents, errors = zip(*(read_photo(photo) for photo in photos), strict=True)
        outputs = {name: out.numpy() for name, out in self._answer(image_bytes=tf.constant(contents)).items()}
        return to_answers(outputs, errors)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in (folder / "saved_model.pb", *sorted((folder / "variables").iterdir())):
        with file.open("rb") as contents:
            digest.update(hashlib.file_digest(contents, "sha256").digest())
    return digest.hexdigest()
