"""Tag listed photos one after the other, without a table."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from keras_sister.catalogue.listed_photo import ListedPhoto
from keras_sister.serving.predictions import Tags
from keras_sister.serving.tagger import Tagger


def tag_listed(tagger: Tagger, photos: Iterable[ListedPhoto], *, batch_size: int = 8) -> Iterator[Tags]:
    """Tag photos.

    Args:
        tagger: a loaded export.
        photos: see `keras_sister.catalogue.sources.list_photos`.
        batch_size: photos to decode and tag at once.

    Yields:
        The tags of each photo, in order, with the text of the input as `Tags.photo`.
    """
    iterator = iter(photos)
    while batch := list(itertools.islice(iterator, batch_size)):
        tagged = tagger.tag([photo.path for photo in batch if not photo.error], batch_size=batch_size)
        for photo in batch:
            if photo.error:
                yield Tags(photo.text, error=photo.error)
            else:
                yield replace(next(tagged), photo=photo.text)
