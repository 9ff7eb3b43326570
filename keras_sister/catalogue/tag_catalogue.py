"""Tag a catalogue of any size into one file; an interrupted job can be resumed."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_sister.catalogue.job import Engine, OnPhotos
from keras_sister.catalogue.resumable_table import Part, ResumableTable, TableCounts
from keras_sister.catalogue.rows import table_columns
from keras_sister.errors import InputError
from keras_sister.serving.export_folder import export_fingerprint, read_export_schema

PART_SIZE = 512
"""Photos per part of the table."""


def tag_catalogue(
    engine: Engine,
    photos: Iterable[str],
    out: Path,
    *,
    resume: bool = False,
    on_photos: OnPhotos = lambda photos: None,
) -> TableCounts:
    """Tag photos into a file with the columns of `keras_sister.catalogue.rows.table_columns`.

    Args:
        engine: where the job runs, and its settings.
        photos: paths, any number; only a few parts are held in memory.
        out: a file with the suffix ``.parquet``, ``.csv`` or ``.jsonl``.
        resume: continue an interrupted job.
        on_photos: called for completed photos; first with those of a resumed job.

    Returns:
        The number of photos and of errors.

    Raises:
        InputError: if `out` exists, was started with other settings, is being written by another process, or cannot be
            written; or if there are no photos.

    Example:
        >>> tag_catalogue(LocalEngine(Job(Path("saved_models/sister_a"))), ["me.jpg"], Path("tags.csv"))
        TableCounts(photos=1, errors=0)
    """
    job = engine.job
    settings = {"export": export_fingerprint(job.export), "threshold": job.threshold, "runtime": job.runtime}
    table = ResumableTable(out, table_columns(read_export_schema(job.export)), settings)
    parts = _parts(photos)
    first = next(parts, None)
    if first is None:
        raise InputError("No photos were given.")
    counts: dict[int, TableCounts] = {}

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
        total = TableCounts(
            sum(count.photos for count in counts.values()),
            sum(count.errors for count in counts.values()),
        )
        table.finish(len(counts), total)
    return total


def _parts(photos: Iterable[str]) -> Iterator[Part]:
    iterator = iter(photos)
    for number in itertools.count():
        some = list(itertools.islice(iterator, PART_SIZE))
        if not some:
            return
        yield Part(number, some)
