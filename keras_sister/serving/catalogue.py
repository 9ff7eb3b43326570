"""Tag a catalogue of any size into one file, so that it can be killed at any point and gone on with."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keras_sister.errors import InputError
from keras_sister.serving.export_folder import fingerprint, schema_of
from keras_sister.serving.tag_files import Row
from keras_sister.serving.tag_rows import columns
from keras_sister.serving.tag_table import Part, Tagged, TagTable

PART = 512
"""Photos a part."""


@dataclass(frozen=True)
class Job:
    """What to do with every photo.

    Attributes:
        export: folder of one version, or of all: then the highest is taken.
        threshold: how probable a tag is at least, in [0, 1].
        runtime: of `keras_sister.serving.tagger.RUNTIMES`.
        batch: photos that the network looks at at once.

    Raises:
        InputError: for a threshold that is none.
    """

    export: Path
    threshold: float = 0.5
    runtime: str = "tensorflow"
    batch: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold must be from 0 to 1. Received: {self.threshold}")


OnPhotos = Callable[[int], None]
"""Told of so many photos more."""


class Engine(Protocol):
    """Where the work is done: on this machine or on a cluster.

    Attributes:
        job: what is done.
    """

    job: Job

    def tag(self, parts: Iterable[Part], on_photos: OnPhotos) -> Iterator[tuple[Part, list[Row]]]:
        """Tag parts, taking only a few ahead of those that have come back.

        Args:
            parts: any number of them.
            on_photos: told of photos that are done.

        Yields:
            Each part once, in any order, with the rows of its photos in their order.
        """


def tag_catalogue(
    engine: Engine,
    photos: Iterable[str],
    out: Path,
    *,
    resume: bool = False,
    on_photos: OnPhotos = lambda photos: None,
) -> Tagged:
    """Tag photos into a file, whose columns are those of `keras_sister.serving.tag_rows.columns`.

    Args:
        engine: where to do it, and with which export.
        photos: paths, any number of them; only a few parts' worth is held in memory.
        out: a file that ends in ``.parquet``, ``.csv`` or ``.jsonl``.
        resume: go on with a job that was killed.
        on_photos: told of photos that are done, of a job that goes on first those that were.

    Raises:
        InputError: if `out` is there already, was begun otherwise, is being written by another process, or cannot be
            written; or if there are no photos.

    Example:
        >>> tag_catalogue(LocalEngine(Job(Path("saved_models/sister_a"))), ["me.jpg"], Path("tags.csv"))
        Tagged(photos=1, errors=0)
    """
    job = engine.job
    settings = {"export": fingerprint(job.export), "threshold": job.threshold, "runtime": job.runtime}
    table = TagTable(out, columns(schema_of(job.export)), settings)
    parts = _parts(photos)
    first = next(parts, None)
    if first is None:
        raise InputError("No photos were given.")
    counts: dict[int, Tagged] = {}

    def missing() -> Iterator[Part]:
        for part in itertools.chain([first], parts):
            count = table.count(part)
            if count is None:
                yield part
            else:
                counts[part.number] = count
                on_photos(count.photos)

    with table.opened(resume=resume) as whole:
        if whole is not None:
            on_photos(whole.photos)
            return whole
        for part, rows in engine.tag(missing(), on_photos):
            counts[part.number] = table.write(part, rows)
        total = Tagged(
            sum(count.photos for count in counts.values()),
            sum(count.errors for count in counts.values()),
        )
        table.finish(len(counts), total)
    return total


def _parts(photos: Iterable[str]) -> Iterator[Part]:
    iterator = iter(photos)
    for number in itertools.count():
        some = list(itertools.islice(iterator, PART))
        if not some:
            return
        yield Part(number, some)
