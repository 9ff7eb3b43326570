"""A table that is written in parts, so that an interrupted job can be resumed.

    tags.parquet.parts/settings.json       the settings of the job; at the end also the number of rows
                       000000.parquet …    one part of the rows each
                       000000.json …       the number of rows of the part, and the hash of its photos' paths
    tags.parquet                           all rows, after the last part; then the parts are deleted

A part appears by one rename, and is valid once its ``.json`` exists. A killed job therefore loses only unfinished
parts, and a resumed job neither skips nor repeats a photo. ``settings.json`` is written first and deleted last, so
parts are never taken for those of another job. A table that is replaced stays whole until the new one is complete.
"""

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from keras_sister.catalogue.rows import OF_EVERY_TABLE
from keras_sister.catalogue.table_formats import Headings, Row, table_format
from keras_sister.errors import InputError, reason_of, shortened
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_text
from keras_sister.storage.lock import OWNER, locked

_OURS = (".lock", OWNER)  # files of the lock, which are no parts


@dataclass(frozen=True)
class Part:
    """Photos that are tagged together.

    Attributes:
        number: counted from 0.
        photos: paths, or other texts that identify the photos.
        sizes: number of photos of each product, if a row is one product; None if a row is one photo.
    """

    number: int
    photos: list[str]
    sizes: list[int] | None = None


@dataclass(frozen=True)
class TableCounts:
    """Number of rows of a table, or of a part.

    Attributes:
        photos: number of rows.
        errors: number of rows whose photo could not be read.
        reasons: the errors by reason.
    """

    photos: int
    errors: int
    reasons: dict[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "TableCounts":
        """Count rows."""
        reasons = Counter(row["error"] for row in rows if row["error"] is not None)
        return cls(len(rows), sum(reasons.values()), dict(reasons))

    def __add__(self, other: "TableCounts") -> "TableCounts":
        reasons = dict(Counter(self.reasons) + Counter(other.reasons))
        return TableCounts(self.photos + other.photos, self.errors + other.errors, reasons)


class ResumableTable:
    """A table in a file, written in parts.

    Args:
        out: a file with the suffix ``.parquet``, ``.csv`` or ``.jsonl``.
        columns: see `keras_sister.catalogue.rows.table_columns`.
        settings: settings of the job, as JSON values; a job can only be resumed with equal settings.

    Raises:
        InputError: for another suffix, or if the library for Parquet is not installed.
    """

    def __init__(self, out: Path, columns: dict[str, type], settings: Mapping[str, object]) -> None:
        self.out, self.columns, self.settings = out, columns, dict(settings)
        self._format = table_format(out)
        self._parts = out.with_name(f"{out.name}.parts")
        self._settings_file = self._parts / "settings.json"
        self._whole = self._parts / f"whole{out.suffix}"

    @contextmanager
    def opened(self, *, resume: bool, replace: str | None = None) -> Iterator[None]:
        """Hold the table for this process.

        Args:
            resume: continue an interrupted job, if there is one; a table that is complete is let in, see `is_finished`.
            replace: what to do with a table that exists: None refuses it; ``update`` and ``overwrite`` replace it when
                the new one is complete, ``update`` only a table of tags, none of whose columns would be lost;
                ``overwrite`` also drops an interrupted job unless `resume` is set.

        Raises:
            InputError: if the table exists, was started with other settings, is being written by another process, or
                cannot be written.
        """
        if self.out.exists() and not self._parts.exists() and not resume:
            self._check_replaceable(replace)
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self._parts}: cannot be created: {error.strerror}.") from error
        with locked(self._parts):
            try:
                with self._disk_errors():
                    self._start(resume, replace)
                with self._removed_without_parts():
                    yield
            finally:
                if not self._settings_file.exists():  # nothing is left to resume
                    with suppress(OSError):
                        for name in _OURS:
                            (self._parts / name).unlink(missing_ok=True)
                        self._parts.rmdir()

    @property
    def is_finished(self) -> bool:
        """Whether the table is complete and no job on it is unfinished."""
        return self.out.exists() and not self._settings_file.exists()

    @property
    def has_parts(self) -> bool:
        """Whether a part is finished."""
        return any(self._parts.glob("[0-9]*.json"))

    @cached_property
    def previous_headings(self) -> Headings:
        """The headings of the table that is to be replaced.

        Raises:
            InputError: if it cannot be read, or is not a table of tags.
        """
        with self._damage():
            headings = self._format.headings(self.out)
        if not set(OF_EVERY_TABLE) <= set(headings.of_all):
            raise InputError(
                f"{self.out}: exists, and is not a table of tags; choose another --out, or add --overwrite to replace"
                " it."
            )
        return headings

    def check_updatable(self) -> None:
        """Refuse to update a table with columns that the new one would not have, such as notes of the user.

        Raises:
            InputError: naming the columns; see also `previous_headings`.
        """
        lost = [name for name in self.previous_headings.of_any if name not in self.columns]
        if lost:
            raise InputError(
                f"{self.out}: --update would drop columns that the new table does not have:"
                f" {shortened(', '.join(map(repr, lost)))}. Carry them from the source by --keep, remove them from the"
                " table, or give --overwrite in place of --update."
            )

    def previous_rows(self) -> Iterator[Row]:
        """The rows of the table that is to be replaced; columns that it lacks are None.

        Raises:
            InputError: if it cannot be read.
        """
        with self._damage():
            yield from self._format.read(self.out, self.columns)

    def scratch(self, name: str) -> Path:
        """A path for a temporary file, which is deleted with the parts."""
        return self._parts / name

    def count(self, part: Part) -> TableCounts | None:
        """The counts of a part; None if it does not exist yet.

        Raises:
            InputError: if it was made from other photos.
        """
        place = self._place(part.number)
        try:
            found = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            count, paths = TableCounts(found["photos"], found["errors"], found["reasons"]), found["paths"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if not place.exists():
            return None
        if paths != _hash(part.photos):
            raise InputError(
                f"{place}: was made from other photos; give the same photos, or --overwrite to start again."
            )
        return count

    def write(self, part: Part, rows: Sequence[Row]) -> TableCounts:
        """Write a part. Parts may come in any order."""
        place = self._place(part.number)
        count = TableCounts.of(rows)
        with self._disk_errors():
            write_atomically(place, partial(self._format.write, rows=rows, columns=self.columns))
            _write_json(place.with_suffix(".json"), {**asdict(count), "paths": _hash(part.photos)})
        return count

    def finish(self, parts: int, total: TableCounts) -> None:
        """Join all parts, and delete them."""
        with self._disk_errors():
            self._format.join([self._place(number) for number in range(parts)], self._whole)
            _write_json(self._settings_file, {"settings": self.settings, "total": asdict(total)})
            self._whole.replace(self.out)
            self._remove_parts()

    def _start(self, resume: bool, replace: str | None) -> None:
        if self._settings_file.exists() and not (replace == "overwrite" and not resume):
            started = self._read_settings()
            if started.get("total") is None or self._whole.exists() or not self.out.exists():
                self._check_resumable(started, resume)
                return
            if replace is None:  # joined, but the parts were not deleted any more
                if not resume:
                    self._check_replaceable(replace)
                self._check_resumable(started, resume)
                self._remove_parts()
                return
        if self._settings_file.exists():
            self._remove_parts()
        if any(self._parts.glob("[!.]*")):
            raise InputError(f"{self._parts}: exists, but is not from a job; choose another --out.")
        if self.out.exists():
            if resume and replace is None:
                return
            self._check_replaceable(replace)
        _write_json(self._settings_file, {"settings": self.settings})

    def _check_resumable(self, started: Mapping[str, Any], resume: bool) -> None:
        if not resume:
            raise InputError(
                f"{self._parts}: an unfinished job; add --resume to continue it, or --overwrite to start again."
            )
        if started.get("settings") != self.settings:
            raise InputError(
                f"{self._parts}: was started with another export, threshold, runtime, --keep or --group-by, or by"
                " an earlier version; add --overwrite without --resume to start again."
            )

    def _check_replaceable(self, replace: str | None) -> None:
        if replace == "overwrite":
            return
        _ = self.previous_headings  # refuses what is no table of tags
        if replace is None:
            raise InputError(
                f"{self.out}: already exists; choose another --out, or add --update to tag what is new or changed, or"
                " --overwrite to replace it."
            )
        self.check_updatable()

    def _read_settings(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._settings_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{self._settings_file}: not readable; add --overwrite to start again.") from error

    def _remove_parts(self) -> None:
        for file in self._parts.iterdir():
            if file.is_file() and file.name not in (self._settings_file.name, *_OURS):
                file.unlink()
        self._settings_file.unlink()

    @contextmanager
    def _removed_without_parts(self) -> Iterator[None]:
        """Remove a job that ends before its first part, such as one that is refused: there is nothing to resume."""
        try:
            yield
        except BaseException:
            if not self.has_parts:
                with suppress(OSError):
                    self._remove_parts()
            raise

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
            raise InputError(f"{self.out}: not a readable table; add --overwrite to replace it.") from error

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.out}: cannot be written: {reason_of(error)}. Finished parts are kept; add --resume to continue."
            ) from error

    def _place(self, number: int) -> Path:
        return self._parts / f"{number:06d}{self.out.suffix}"


def _write_json(file: Path, content: dict[str, object]) -> None:
    write_text(file, json.dumps(content))


def _hash(paths: Sequence[str]) -> str:
    return hashlib.sha256(os.fsencode("\0".join(paths))).hexdigest()
