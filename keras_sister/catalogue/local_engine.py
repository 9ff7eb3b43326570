"""Run a catalogue job on this machine."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from keras_sister.catalogue.job import Job, OnPhotos
from keras_sister.catalogue.products import product_row
from keras_sister.catalogue.resumable_table import Part
from keras_sister.catalogue.rows import table_row
from keras_sister.catalogue.table_formats import Row
from keras_sister.serving.predictions import Prediction
from keras_sister.serving.tagger import Tagger

_ACTIVE = 2  # batches: one is read and decoded while the other is in the network
_WAITING = 2  # further batches, so that neither thread waits while rows are written


class LocalEngine:
    """Tags parts one after the other, without a pause between them; see `keras_sister.catalogue.job.Engine`.

    Args:
        job: the settings.

    Raises:
        InputError: if the export cannot be loaded.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._tagger = Tagger(job.export, runtime=job.runtime, trust=job.trust)

    def tag(self, parts: Iterable[Part], on_photos: OnPhotos) -> Iterator[tuple[Part, list[Row]]]:
        """See `keras_sister.catalogue.job.Engine`. Parts come in their order."""
        found: list[Prediction] = []
        for part, predictions in self._predictions(parts):
            found += predictions
            on_photos(len(predictions))
            if len(found) == len(part.photos):
                yield part, self._rows(part, found)
                found = []

    def _predictions(self, parts: Iterable[Part]) -> Iterator[tuple[Part, list[Prediction]]]:
        """The predictions of each batch, in order."""
        batches = ((part, batch) for part in parts for batch in _chunks(part.photos, self.job.batch_size))
        waiting: deque[tuple[Part, Future[list[Prediction]]]] = deque()
        pool = ThreadPoolExecutor(_ACTIVE)
        try:
            for part, batch in batches:
                waiting.append((part, pool.submit(self._tagger.predict, [Path(photo) for photo in batch])))
                if len(waiting) == _ACTIVE + _WAITING:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def _rows(self, part: Part, found: list[Prediction]) -> list[Row]:
        schema, threshold = self._tagger.schema, self.job.threshold
        if part.sizes is None:
            return [table_row(prediction, schema, threshold) for prediction in found]
        predictions = iter(found)
        products = [list(itertools.islice(predictions, size)) for size in part.sizes]
        return [product_row(product, schema, threshold) for product in products]


def _first(waiting: deque[tuple[Part, Future[list[Prediction]]]]) -> tuple[Part, list[Prediction]]:
    part, future = waiting.popleft()
    return part, future.result()


def _chunks(photos: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(photos), size):
        yield photos[start : start + size]
