"""A table that is written in parts, so that an interrupted job can be resumed.

    tags.parquet.parts/settings.json       the settings of the job; at the end also the number of rows
                       000000.parquet …    one part of the rows each
                       000000.json …       the number of rows of the part, and the hash of its photos' paths
    tags.parquet                           all rows, after the last part; then the parts are deleted

A part appears by one rename, and is valid once its ``.json`` exists. A killed job therefore loses only unfinished
parts, and a resumed job neither skips nor repeats a photo. ``settings.json`` is written first and deleted last, so
parts are never taken for those of another job.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from keras_sister.catalogue.table_formats import Row, table_format
from keras_sister.errors import InputError
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_text


@dataclass(frozen=True)
class Part:
    """Photos that are tagged together.

    Attributes:
        number: counted from 0.
        photos: paths, as they were given.
    """

    number: int
    photos: list[str]


@dataclass(frozen=True)
class TableCounts:
    """Number of rows of a table, or of a part.

    Attributes:
        photos: number of rows.
        errors: number of rows whose photo could not be read.
    """

    photos: int
    errors: int


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

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[TableCounts | None]:
        """Hold the table for this process.

        Yields:
            The counts of the table, if an interrupted job had already joined its parts; else None.

        Raises:
            InputError: if the table exists, was started with other settings, is being written by another process, or
                cannot be written.
        """
        if self.out.exists() and not (resume and self._settings_file.exists()):
            raise InputError(f"{self.out}: already exists; choose another --out.")
        if self._settings_file.exists() and not resume:
            raise InputError(f"{self._parts}: an unfinished job; add --resume to continue it, or remove the folder.")
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self._parts}: cannot be created: {error.strerror}.") from error
        lock = self._parts / ".lock"
        try:
            with FileLock(lock, timeout=0):
                try:
                    with self._disk_errors():
                        total = self._start()
                    yield total
                finally:
                    if not self._settings_file.exists():  # nothing is left to resume
                        with suppress(OSError):
                            lock.unlink()
                            self._parts.rmdir()
        except Timeout as error:
            raise InputError(f"{self.out}: another process is writing it; wait for it or stop it.") from error

    def count(self, part: Part) -> TableCounts | None:
        """The counts of a part; None if it does not exist yet.

        Raises:
            InputError: if it was made from other photos.
        """
        place = self._place(part.number)
        try:
            found = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            count, paths = TableCounts(found["photos"], found["errors"]), found["paths"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if not place.exists():
            return None
        if paths != _hash(part.photos):
            raise InputError(f"{place}: was made from other photos; give the same photos, or remove {place.parent}.")
        return count

    def write(self, part: Part, rows: Sequence[Row]) -> TableCounts:
        """Write a part. Parts may come in any order."""
        place = self._place(part.number)
        count = TableCounts(len(rows), sum(row["error"] is not None for row in rows))
        with self._disk_errors():
            write_atomically(place, partial(self._format.write, rows=rows, columns=self.columns))
            _write_json(place.with_suffix(".json"), {**asdict(count), "paths": _hash(part.photos)})
        return count

    def finish(self, parts: int, total: TableCounts) -> None:
        """Join all parts, and delete them."""
        whole = self._parts / f"whole{self.out.suffix}"
        with self._disk_errors():
            self._format.join([self._place(number) for number in range(parts)], whole)
            _write_json(self._settings_file, {"settings": self.settings, "total": asdict(total)})
            whole.replace(self.out)
            self._remove_parts()

    def _start(self) -> TableCounts | None:
        if self._settings_file.exists():
            started = self._read_settings()
            if started.get("settings") != self.settings:
                raise InputError(
                    f"{self._parts}: was started with another export, threshold or runtime; remove it to start again."
                )
            if self.out.exists():
                self._remove_parts()
                return TableCounts(**started["total"])
        elif any(self._parts.glob("[!.]*")):
            raise InputError(f"{self._parts}: exists, but is not from a job; remove it or choose another --out.")
        else:
            _write_json(self._settings_file, {"settings": self.settings})
        return None

    def _read_settings(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._settings_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{self._settings_file}: not readable; remove {self._parts} to start again.") from error

    def _remove_parts(self) -> None:
        for file in self._parts.iterdir():
            if file.is_file() and file not in (self._settings_file, self._parts / ".lock"):
                file.unlink()
        self._settings_file.unlink()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{self.out}: cannot be written: {reason}. Finished parts are kept; add --resume to continue."
            ) from error

    def _place(self, number: int) -> Path:
        return self._parts / f"{number:06d}{self.out.suffix}"


def _write_json(file: Path, content: dict[str, object]) -> None:
    write_text(file, json.dumps(content))


def _hash(paths: Sequence[str]) -> str:
    return hashlib.sha256(os.fsencode("\0".join(paths))).hexdigest()
