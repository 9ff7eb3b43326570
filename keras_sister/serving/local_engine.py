"""Tag the parts of a catalogue on this machine."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from keras_sister.serving.answers import Answer
from keras_sister.serving.catalogue import Job, OnPhotos
from keras_sister.serving.tag_files import Row
from keras_sister.serving.tag_rows import tag_row
from keras_sister.serving.tag_table import Part
from keras_sister.serving.tagger import Tagger

_AT_WORK = 2  # batches: one is read and decoded while the other is in the network
_WAITING = 2  # more of them, so that neither thread waits while rows are written


class LocalEngine:
    """Tags parts one after the other, without a pause between them; see `keras_sister.serving.catalogue.Engine`.

    Args:
        job: what to do.

    Raises:
        InputError: if there is no export that loads.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._tagger = Tagger(job.export, runtime=job.runtime)

    def tag(self, parts: Iterable[Part], on_photos: OnPhotos) -> Iterator[tuple[Part, list[Row]]]:
        """Tag parts, in their order."""
        rows: list[Row] = []
        for part, answers in self._answers(parts):
            photos = part.photos[len(rows) : len(rows) + len(answers)]
            rows += map(self._row, photos, answers)
            on_photos(len(answers))
            if len(rows) == len(part.photos):
                yield part, rows
                rows = []

    def _answers(self, parts: Iterable[Part]) -> Iterator[tuple[Part, list[Answer]]]:
        """The answers of each batch, in their order."""
        batches = ((part, batch) for part in parts for batch in _chunks(part.photos, self.job.batch))
        waiting: deque[tuple[Part, Future[list[Answer]]]] = deque()
        pool = ThreadPoolExecutor(_AT_WORK)
        try:
            for part, batch in batches:
                waiting.append((part, pool.submit(self._tagger.answer, [Path(photo) for photo in batch])))
                if len(waiting) == _AT_WORK + _WAITING:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def _row(self, photo: str, answer: Answer) -> Row:
        return tag_row(photo, answer, self._tagger.schema, self.job.threshold)


def _first(waiting: deque[tuple[Part, Future[list[Answer]]]]) -> tuple[Part, list[Answer]]:
    part, future = waiting.popleft()
    return part, future.result()


def _chunks(photos: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(photos), size):
        yield photos[start : start + size]
