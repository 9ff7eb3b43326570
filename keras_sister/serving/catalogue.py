"""Tag a catalogue of any size into one file, so that it can be killed at any point and gone on with.

    tags.parquet.parts/settings.json       the export, the threshold
                       000000.parquet …    the rows of so many photos each, with the hash of their paths in
                       000000.json …
    tags.parquet                           all of them, when the last is there; then the parts go

A part appears by renaming, whole; its ``.json`` comes last and makes it count. So a killed job loses only the parts
that were worked on, and one that goes on neither leaves a photo out nor has one twice.
"""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from keras_sister.atomic import write_aside
from keras_sister.errors import InputError
from keras_sister.serving.export_folder import fingerprint, schema_of
from keras_sister.serving.tag_files import Row, TagFile, tag_file
from keras_sister.serving.tag_rows import columns

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
    """

    export: Path
    threshold: float = 0.5
    runtime: str = "tensorflow"
    batch: int = 8


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
        InputError: if `out` is there already, was begun otherwise, or cannot be written; or if there are no photos.

    Example:
        >>> tag_catalogue(LocalEngine(Job(Path("saved_models/sister_a"))), ["me.jpg"], Path("tags.csv"))
        Tagged(photos=1, errors=0)
    """
    job = engine.job
    table = _Table(tag_file(out), out, columns(schema_of(job.export)))
    parts = _parts(photos)
    first = next(parts, None)
    if first is None:
        raise InputError("No photos were given.")
    settings = {"export": fingerprint(job.export), "threshold": job.threshold, "runtime": job.runtime}
    _begin(table, settings, resume=resume)
    counts: dict[int, Tagged] = {}

    def missing() -> Iterator[Part]:
        for part in itertools.chain([first], parts):
            count = table.count(part)
            if count is None:
                yield part
            else:
                counts[part.number] = count
                on_photos(count.photos)

    for part, rows in engine.tag(missing(), on_photos):
        counts[part.number] = table.write(part, rows)
    table.join(len(counts))
    return Tagged(sum(count.photos for count in counts.values()), sum(count.errors for count in counts.values()))


def _parts(photos: Iterable[str]) -> Iterator[Part]:
    iterator = iter(photos)
    for number in itertools.count():
        some = list(itertools.islice(iterator, PART))
        if not some:
            return
        yield Part(number, some)


@dataclass(frozen=True)
class _Table:
    """A file that is written in parts."""

    file: TagFile
    out: Path
    columns: dict[str, type]

    @property
    def parts(self) -> Path:
        return self.out.with_name(f"{self.out.name}.parts")

    def write(self, part: Part, rows: Sequence[Row]) -> Tagged:
        place = self._place(part.number)
        write_aside(place, partial(self.file.write, rows=rows, columns=self.columns))
        count = Tagged(len(rows), sum(row["error"] is not None for row in rows))
        _write_json(place.with_suffix(".json"), {**asdict(count), "paths": _hash(part.photos)})
        return count

    def count(self, part: Part) -> Tagged | None:
        """What a part holds; None if it is not there yet."""
        place = self._place(part.number)
        try:
            found = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if found["paths"] != _hash(part.photos):
            raise InputError(f"{place}: was made of other photos; give the same ones, or remove {place.parent}.")
        return Tagged(found["photos"], found["errors"])

    def join(self, parts: int) -> None:
        places = [self._place(number) for number in range(parts)]
        write_aside(self.out, lambda aside: self.file.join(places, aside))
        shutil.rmtree(self.parts)

    def _place(self, number: int) -> Path:
        return self.parts / f"{number:06d}{self.out.suffix}"


def _begin(table: _Table, settings: dict[str, object], *, resume: bool) -> None:
    parts = table.parts
    if table.out.exists():
        raise InputError(f"{table.out}: there already; choose another --out.")
    begun = parts / "settings.json"
    if not begun.exists():
        try:
            parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{parts}: cannot be made: {error.strerror}.") from error
        _write_json(begun, settings)
    elif not resume:
        raise InputError(f"{parts}: a job that has not ended; go on with it by --resume, or remove the folder.")
    elif json.loads(begun.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{parts}: was begun with another export, threshold or runtime; remove it to begin anew.")


def _write_json(file: Path, content: dict[str, object]) -> None:
    text = json.dumps(content)
    write_aside(file, partial(Path.write_text, data=text, encoding="utf-8"))


def _hash(paths: Sequence[str]) -> str:
    return hashlib.sha256(os.fsencode("\0".join(paths))).hexdigest()
