"""Tag a catalogue of any size into one file; an interrupted job can be resumed, and a table updated."""

import hashlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_sister.catalogue.job import Engine, Job, OnPhotos
from keras_sister.catalogue.listed_photo import ListedPhoto
from keras_sister.catalogue.previous_rows import PreviousRows
from keras_sister.catalogue.products import ListedProduct, error_text, joint_hash, photo_paths
from keras_sister.catalogue.resumable_table import Part, ResumableTable, TableCounts
from keras_sister.catalogue.rows import FINGERPRINT, PHOTOS, error_row, table_columns
from keras_sister.catalogue.table_formats import Row
from keras_sister.errors import InputError, check_choice, counted
from keras_sister.photo_files import printable_path, try_read
from keras_sister.schema import Schema
from keras_sister.serving.export_folder import export_fingerprint, read_export_schema

PART_SIZE = 512
"""Photos per part of the table."""

REPLACEMENTS = ("update", "overwrite")
"""What may be done with a table that exists: tag what is new or changed, or tag everything again."""

Item = ListedPhoto | ListedProduct
"""What becomes one row of the table."""

_SHOWN = 10  # reasons in a message
_READERS = 8  # threads that read photos to see whether they changed


@dataclass(frozen=True)
class Summary:
    """What a catalogue job did.

    Attributes:
        photos: rows of the table.
        errors: rows whose photo could not be read.
        reasons: the errors by reason.
        kept: rows taken over from the table that was updated.
        resumed: rows that an interrupted job had finished before.
        seconds: duration of this process's part of the job.
    """

    photos: int
    errors: int
    reasons: dict[str, int]
    kept: int
    resumed: int
    seconds: float

    @property
    def photos_per_second(self) -> float | None:
        """Photos tagged per second by this process; None if there were none."""
        tagged = self.photos - self.kept - self.resumed
        return tagged / self.seconds if tagged and self.seconds else None

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts and numbers."""
        return {**asdict(self), "photos_per_second": self.photos_per_second}


class UnreadablePhotosError(InputError):
    """More photos could not be read than are allowed.

    Attributes:
        summary: what was done until then.
    """

    def __init__(self, message: str, summary: Summary) -> None:
        super().__init__(message)
        self.summary = summary


def tag_catalogue(
    engine: Engine,
    photos: Iterable[str | ListedPhoto | ListedProduct],
    out: Path,
    *,
    keep: Sequence[str] = (),
    group_by: str | None = None,
    resume: bool = False,
    replace: str | None = None,
    max_errors: int | None = None,
    on_photos: OnPhotos = lambda photos: None,
) -> Summary:
    """Tag photos into a file with the columns of `keras_sister.catalogue.rows.table_columns`.

    Args:
        engine: where the job runs, and its settings.
        photos: paths, or what `keras_sister.catalogue.sources.list_photos` found; any number, of which only a few parts
            are held in memory; or products, see `keras_sister.catalogue.products.group_photos`.
        out: a file with the suffix ``.parquet``, ``.csv`` or ``.jsonl``.
        keep: names of the columns in each photo's `ListedPhoto.kept`.
        group_by: name of the column of products, if `photos` are products.
        resume: continue an interrupted job. If it was complete already, nothing is written: the table is compared with
            what the job would have made.
        replace: one of `REPLACEMENTS`, for an `out` that exists; None refuses it. ``update`` keeps the rows of photos
            whose contents, export and settings are the same as when the row was made; it needs a table of tags without
            other columns, which would be lost.
        max_errors: largest number of photos that may be unreadable; None for any number.
        on_photos: called for completed photos; first with those of a resumed job.

    Returns:
        The numbers of photos and errors, and the duration.

    Raises:
        UnreadablePhotosError: if more than `max_errors` photos could not be read, now or by the job that is resumed;
            finished parts are kept.
        InputError: if `out` exists, with `resume` if it is not of this job, was started with other settings, is being
            written by another process, or cannot be written; if two columns have one name; or if there are no photos.

    Example:
        >>> tag_catalogue(LocalEngine(Job(Path("saved_models/sister_a"))), ["me.jpg"], Path("tags.csv")).photos
        1
    """
    if replace is not None:
        check_choice("replace", replace, REPLACEMENTS)
    schema = read_export_schema(engine.job.export)
    settings = _settings(engine.job, schema) | ({"group_by": group_by} if group_by else {})
    columns = table_columns(schema, keep, group_by=group_by)
    table = ResumableTable(out, columns, {**settings, "keep": list(keep)})
    parts = _parts(photos)
    first = next(parts, None)
    if first is None:
        raise InputError("No photos were given.")
    with table.opened(resume=resume, replace=replace):
        filling = _Filling(table, settings, keep, max_errors, on_photos)
        if table.is_finished:
            filling.compare_finished(itertools.chain([first], parts))
            return filling.summary()
        if replace == "update" and out.exists():
            filling.read_previous()
        try:
            for part, rows in engine.tag(filling.missing(itertools.chain([first], parts)), on_photos):
                filling.complete(part.number, rows)
        finally:
            filling.close()
        table.finish(filling.parts, filling.total)
    return filling.summary()


class _Filling:
    """Fills a table: finds the rows that are known, and joins them with those of the engine."""

    def __init__(
        self,
        table: ResumableTable,
        settings: dict[str, object],
        keep: Sequence[str],
        max_errors: int | None,
        on_photos: OnPhotos,
    ) -> None:
        self.table, self.settings, self.keep = table, settings, keep
        self.max_errors, self.on_photos = max_errors, on_photos
        self.total, self.parts, self.kept, self.resumed = TableCounts(0, 0), 0, 0, 0
        self._pending: dict[int, tuple[list[Item], list[Row | None]]] = {}
        self._previous: PreviousRows | None = None
        self._started = time.monotonic()

    def read_previous(self) -> None:
        """Read the table that is updated, if its rows say all that those of this job would."""
        self.table.check_updatable()  # once more for a job that is resumed
        of_input = {next(iter(self.table.columns)), *self.keep}  # which `_named` sets anew
        if self.table.columns.keys() - of_input <= set(self.table.previous_headings.of_all):
            self._previous = PreviousRows(self.table.scratch("previous.sqlite"), self.table.previous_rows())

    def compare_finished(self, parts: Iterable[tuple[int, list[Item]]]) -> None:
        """Compare a complete table with what this job would make.

        Raises:
            InputError: if it is of other photos or settings, or a photo has changed since; the table stays as it is.
        """
        _ = self.table.previous_headings  # refuses what is no table of tags
        rows = self.table.previous_rows()
        for _, items in parts:
            found = list(itertools.islice(rows, len(items)))
            if len(found) < len(items) or not all(map(self._is_of, found, items, _hashes(items))):
                raise self._other_table()
            self.resumed += len(found)
            self._add(TableCounts.of(found))
            self.on_photos(sum(len(item.photos) for item in items))
        if next(rows, None) is not None:
            raise self._other_table()

    def _is_of(self, row: Row, item: Item, sha256: str | None) -> bool:
        """Whether a row is the one of an item, whose photo was as it is now, or could not be read."""
        named = self._named(item, row)
        same = all((row[name] or "") == (named[name] or "") for name in self.table.columns)
        return same and row[FINGERPRINT] == (None if row["error"] else self._fingerprint(sha256))

    def _other_table(self) -> InputError:
        return InputError(
            f"{self.table.out}: complete, but of other photos, or by another export, threshold or runtime; choose"
            " another --out, or add --update to tag what is new or changed, or --overwrite to replace it."
        )

    def close(self) -> None:
        """Close the rows of the previous table."""
        if self._previous is not None:
            self._previous.close()

    def missing(self, parts: Iterable[tuple[int, list[Item]]]) -> Iterator[Part]:
        """The photos of each part that must be tagged; parts without any are written at once."""
        for number, items in parts:
            self.parts += 1
            count = self.table.count(_identified(number, items))
            if count is not None:
                self.resumed += count.photos
                self._add(count)
                self.on_photos(sum(len(item.photos) for item in items))
                continue
            rows = self._known(items)
            self._pending[number] = (items, rows)
            self.on_photos(sum(len(item.photos) for item, row in zip(items, rows, strict=True) if row is not None))
            unknown = [item for item, row in zip(items, rows, strict=True) if row is None]
            if unknown:
                yield _part(number, unknown)
            else:
                self.complete(number, [])

    def complete(self, number: int, tagged: Sequence[Row]) -> None:
        """Write a part.

        Args:
            number: the part.
            tagged: rows of the photos that `missing` gave for it.
        """
        items, known = self._pending.pop(number)
        new = iter(tagged)
        rows = [self._new(item, next(new)) if row is None else row for item, row in zip(items, known, strict=True)]
        rows = [self._named(item, row) for item, row in zip(items, rows, strict=True)]
        self._add(TableCounts.of(rows))
        self.table.write(_identified(number, items), rows)

    def summary(self) -> Summary:
        """What was done so far."""
        total, seconds = self.total, round(time.monotonic() - self._started, 3)
        return Summary(total.photos, total.errors, total.reasons, self.kept, self.resumed, seconds)

    def _known(self, items: Sequence[Item]) -> list[Row | None]:
        """Rows that need no tagging: input rows that name no photo, and those whose photos have not changed."""
        rows = [self._without_photos(item) for item in items]
        if self._previous is None:
            return rows
        for i, sha256 in enumerate(_hashes(items)):
            fingerprint = self._fingerprint(sha256)
            if fingerprint and (row := self._previous.get(fingerprint)):
                rows[i] = row
                self.kept += 1
        return rows

    def _without_photos(self, item: Item) -> Row | None:
        """The row of an item that names no photo; else None."""
        if photo_paths(item):
            return None
        columns = tuple(self.table.columns)
        if isinstance(item, ListedPhoto):
            return error_row(columns, str(item.error))
        reasons = [str(photo.error) for photo in item.photos]
        return {**error_row(columns, str(error_text(reasons, len(reasons)))), PHOTOS: 0}

    def _new(self, item: Item, row: Row) -> Row:
        """A row of the engine, with the errors of photos that it was not given."""
        row = {**row, FINGERPRINT: self._fingerprint(row[FINGERPRINT])}
        if isinstance(item, ListedPhoto):
            return row
        reasons = [*(photo.error for photo in item.photos if photo.error), *row["error"]]
        whole = row[FINGERPRINT] if not reasons else None
        return {**row, "error": error_text(reasons, len(item.photos)), FINGERPRINT: whole}

    def _named(self, item: Item, row: Row) -> Row:
        """A row with what the input says of its photo or product, in the order of the columns."""
        first = next(iter(self.table.columns))
        named = {**row, first: printable_path(item.text), **dict(zip(self.keep, item.kept, strict=True))}
        return {name: named[name] for name in self.table.columns}

    def _fingerprint(self, sha256: str | None) -> str | None:
        """A hash of everything that a row's prediction depends on; None if the file could not be read."""
        if sha256 is None:
            return None
        return hashlib.sha256(json.dumps([self.settings, sha256]).encode()).hexdigest()[:32]

    def _add(self, count: TableCounts) -> None:
        """Add the counts of a part, whether it was made now or earlier."""
        self.total += count
        if self.max_errors is None or self.total.errors <= self.max_errors:
            return
        errors = self.total.errors
        what = counted(errors, "row") + " with an unreadable photo"
        if PHOTOS not in self.table.columns:
            what = counted(errors, "photo") + " could not be read"
        kept = " Finished parts are kept; add --resume to continue." if self.table.has_parts else ""
        raise UnreadablePhotosError(
            f"{self.table.out}: {what}, more than --max-errors {self.max_errors}:"
            f" {'; '.join(common_reasons(self.total.reasons))}.{kept}",
            self.summary(),
        )


def common_reasons(reasons: Mapping[str, int]) -> list[str]:
    """The most frequent errors with their numbers, for a message: ``3 × empty``; at last how many others there are."""
    common = sorted(reasons.items(), key=lambda item: -item[1])[:_SHOWN]
    others = len(reasons) - len(common)
    return [f"{number} × {reason}" for reason, number in common] + ([f"{others:,} other reasons"] if others else [])


def _settings(job: Job, schema: Schema) -> dict[str, object]:
    """What the rows depend on; the schema names the tags, and can be edited without the graph."""
    export = {"export": export_fingerprint(job.export), "schema": schema.hash}
    return {**export, "threshold": job.threshold, "runtime": job.runtime}


def _parts(photos: Iterable[str | Item]) -> Iterator[tuple[int, list[Item]]]:
    iterator = (ListedPhoto(photo, photo) if isinstance(photo, str) else photo for photo in photos)
    for number in itertools.count():
        some = list(itertools.islice(iterator, PART_SIZE))
        if not some:
            return
        yield number, some


def _part(number: int, items: Sequence[Item]) -> Part:
    """The photos to tag, with their number for each product."""
    paths = [list(map(str, photo_paths(item))) for item in items]
    sizes = None if isinstance(items[0], ListedPhoto) else list(map(len, paths))
    return Part(number, list(itertools.chain.from_iterable(paths)), sizes)


def _identified(number: int, items: Sequence[Item]) -> Part:
    return Part(number, [item.identity for item in items])


def _hashes(items: Sequence[Item]) -> list[str | None]:
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(_sha256, items))


def _sha256(item: Item) -> str | None:
    if len(paths := photo_paths(item)) < len(item.photos):
        return None
    read = [try_read(path) for path in paths]
    return joint_hash([None if error else hashlib.sha256(contents).hexdigest() for contents, error in read])
