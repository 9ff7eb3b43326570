"""A table of tags that is written in parts, so that its writing can be killed at any point and gone on with.

    tags.parquet.parts/settings.json       what the rows are made with; at the end also how many there are
                       000000.parquet …    the rows of so many photos each, with the hash of their paths in
                       000000.json …
    tags.parquet                           all of them, when the last is there; then the parts go

A part appears by renaming, whole; its ``.json`` comes last and makes it count. So a killed job loses only the parts
that were worked on, and one that goes on neither leaves a photo out nor has one twice. ``settings.json`` is written
first and goes last: parts are never taken for those of another job.
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

from keras_sister.atomic import write_aside
from keras_sister.errors import InputError
from keras_sister.serving.tag_files import Row, tag_file


@dataclass(frozen=True)
class Part:
    """Some photos that are tagged together.

    Attributes:
        number: from 0.
        photos: their paths, as they were given.
    """

    number: int
    photos: list[str]


@dataclass(frozen=True)
class Tagged:
    """What became of a catalogue, or of a part.

    Attributes:
        photos: how many rows there are.
        errors: how many of them are photos that could not be read.
    """

    photos: int
    errors: int


class TagTable:
    """A table in a file.

    Args:
        out: a file that ends in ``.parquet``, ``.csv`` or ``.jsonl``.
        columns: of `keras_sister.serving.tag_rows.columns`.
        settings: what the rows are made with, ready for JSON; a job goes on only with the same.

    Raises:
        InputError: for another ending, or where Parquet's library is missing.
    """

    def __init__(self, out: Path, columns: dict[str, type], settings: Mapping[str, object]) -> None:
        self.out, self.columns, self.settings = out, columns, dict(settings)
        self._file = tag_file(out)
        self._parts = out.with_name(f"{out.name}.parts")
        self._begun = self._parts / "settings.json"

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[Tagged | None]:
        """Hold the table for this process.

        Yields:
            What the table holds, if a job that was killed had already put it together; else None.

        Raises:
            InputError: if the table is there already, was begun otherwise, is being written by another process, or
                cannot be written.
        """
        if self.out.exists() and not (resume and self._begun.exists()):
            raise InputError(f"{self.out}: there already; choose another --out.")
        if self._begun.exists() and not resume:
            raise InputError(
                f"{self._parts}: a job that has not ended; go on with it by --resume, or remove the folder."
            )
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self._parts}: cannot be made: {error.strerror}.") from error
        lock = self._parts / ".lock"
        try:
            with FileLock(lock, timeout=0):
                try:
                    with self._disk_errors():
                        total = self._begin()
                    yield total
                finally:
                    if not self._begun.exists():  # there is nothing to go on with, or no more
                        with suppress(OSError):
                            lock.unlink()
                            self._parts.rmdir()
        except Timeout as error:
            raise InputError(f"{self.out}: another process is writing it; wait for it or stop it.") from error

    def count(self, part: Part) -> Tagged | None:
        """What a part holds; None if it is not there yet.

        Raises:
            InputError: if it was made of other photos.
        """
        place = self._place(part.number)
        try:
            found = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            count, paths = Tagged(found["photos"], found["errors"]), found["paths"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if not place.exists():
            return None
        if paths != _hash(part.photos):
            raise InputError(f"{place}: was made of other photos; give the same ones, or remove {place.parent}.")
        return count

    def write(self, part: Part, rows: Sequence[Row]) -> Tagged:
        """Write a part, in any order."""
        place = self._place(part.number)
        count = Tagged(len(rows), sum(row["error"] is not None for row in rows))
        with self._disk_errors():
            write_aside(place, partial(self._file.write, rows=rows, columns=self.columns))
            _write_json(place.with_suffix(".json"), {**asdict(count), "paths": _hash(part.photos)})
        return count

    def finish(self, parts: int, total: Tagged) -> None:
        """Put all parts together, and remove them."""
        whole = self._parts / f"whole{self.out.suffix}"
        with self._disk_errors():
            self._file.join([self._place(number) for number in range(parts)], whole)
            _write_json(self._begun, {"settings": self.settings, "total": asdict(total)})
            whole.replace(self.out)
            self._remove_parts()

    def _begin(self) -> Tagged | None:
        if self._begun.exists():
            begun = self._read_begun()
            if begun.get("settings") != self.settings:
                raise InputError(
                    f"{self._parts}: was begun with another export, threshold or runtime; remove it to begin anew."
                )
            if self.out.exists():
                self._remove_parts()
                return Tagged(**begun["total"])
        elif any(self._parts.glob("[!.]*")):
            raise InputError(f"{self._parts}: in the way, and no job's; remove it or choose another --out.")
        else:
            _write_json(self._begun, {"settings": self.settings})
        return None

    def _read_begun(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._begun.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{self._begun}: not readable; remove {self._parts} to begin anew.") from error

    def _remove_parts(self) -> None:
        for file in self._parts.iterdir():
            if file.is_file() and file not in (self._begun, self._parts / ".lock"):
                file.unlink()
        self._begun.unlink()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{self.out}: cannot be written: {reason}. What was finished is kept; go on by --resume."
            ) from error

    def _place(self, number: int) -> Path:
        return self._parts / f"{number:06d}{self.out.suffix}"


def _write_json(file: Path, content: dict[str, object]) -> None:
    text = json.dumps(content)
    write_aside(file, partial(Path.write_text, data=text, encoding="utf-8"))


def _hash(paths: Sequence[str]) -> str:
    return hashlib.sha256(os.fsencode("\0".join(paths))).hexdigest()
