"""Tag a catalogue of any size into one file, so that it can be killed at any point and gone on with.

    tags.parquet.parts/settings.json       the export, the threshold
                       000000.parquet …    the rows of so many photos each, with the hash of their paths in
                       000000.json …
    tags.parquet                           all of them, when the last is there; then the parts go

A part appears by renaming, whole; its ``.json`` comes last and makes it count. So a killed job loses its last part
only, and one that goes on neither leaves a photo out nor has one twice.
"""

import hashlib
import itertools
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from keras_sister.atomic import write_aside
from keras_sister.errors import InputError
from keras_sister.schema import Attribute, Schema
from keras_sister.serving.answers import Answer
from keras_sister.serving.tag_files import Row, tag_file
from keras_sister.serving.tagger import Tagger

PART = 512
"""Photos a part: what a killed job loses at most."""

_BATCH = 8
_AHEAD = 2  # batches that are worked on at once: one is decoded while the other is in the network


@dataclass(frozen=True)
class Tagged:
    """What became of a catalogue.

    Attributes:
        photos: how many rows there are.
        errors: how many of them are photos that could not be read.
    """

    photos: int
    errors: int


def tag_catalogue(
    tagger: Tagger,
    photos: Iterable[str],
    out: Path,
    *,
    threshold: float = 0.5,
    resume: bool = False,
    on_photos: Callable[[int], None] = lambda photos: None,
) -> Tagged:
    """Tag photos into a file.

    Its columns are ``photo``, the path as it was given; ``tags``, the names of binary attributes whose positive class
    is at least as probable as `threshold`, and ``attribute=class`` of others whose best class is; ``person_share``,
    None without a segmenter; ``error``, None for a photo that could be read; and the probabilities: a column of a
    binary attribute's name, of its positive class, and ``attribute=class`` for each class of the others.

    Args:
        tagger: an export.
        photos: paths, any number of them; only a part's worth is held in memory.
        out: a file that ends in ``.parquet``, ``.csv`` or ``.jsonl``.
        threshold: in [0, 1].
        resume: go on with a job that was killed.
        on_photos: told of how many photos are done.

    Raises:
        InputError: if `out` is there already, was begun otherwise, or cannot be written.

    Example:
        >>> tag_catalogue(Tagger(Path("saved_models/sister_a")), ["me.jpg"], Path("tags.csv"))
        Tagged(photos=1, errors=0)
    """
    file = tag_file(out)
    parts = out.with_name(f"{out.name}.parts")
    _begin(out, parts, {"export": tagger.fingerprint, "threshold": threshold}, resume=resume)
    columns = _columns(tagger.schema)
    done = Tagged(0, 0)
    places = []
    for number, paths in enumerate(_chunks(photos, PART)):
        place = parts / f"{number:06d}{out.suffix}"
        count = _counted(place, paths)
        if count is None:
            rows = _rows(tagger, paths, threshold, _after(done.photos, on_photos))
            write_aside(place, partial(file.write, rows=rows, columns=columns))
            count = {
                "photos": len(rows),
                "errors": sum(row["error"] is not None for row in rows),
                "paths": _hash(paths),
            }
            text = json.dumps(count)
            write_aside(place.with_suffix(".json"), partial(Path.write_text, data=text, encoding="utf-8"))
        places.append(place)
        done = Tagged(done.photos + count["photos"], done.errors + count["errors"])
        on_photos(done.photos)
    if not places:
        raise InputError("No photos were given.")
    write_aside(out, lambda aside: file.join(places, aside))
    shutil.rmtree(parts)
    return done


def _begin(out: Path, parts: Path, settings: dict[str, object], *, resume: bool) -> None:
    if out.exists():
        raise InputError(f"{out}: there already; choose another --out.")
    begun = parts / "settings.json"
    if not begun.exists():
        try:
            parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{parts}: cannot be made: {error.strerror}.") from error
        text = json.dumps(settings)
        write_aside(begun, partial(Path.write_text, data=text, encoding="utf-8"))
    elif not resume:
        raise InputError(f"{parts}: a job that has not ended; go on with it by --resume, or remove the folder.")
    elif json.loads(begun.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{parts}: was begun with another export or threshold; remove it to begin anew.")


def _chunks(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(paths)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _after(before: int, on_photos: Callable[[int], None]) -> Callable[[int], None]:
    return lambda photos: on_photos(before + photos)


def _counted(place: Path, paths: Sequence[str]) -> dict[str, Any] | None:
    """What a part holds; None if it is not there yet."""
    try:
        count = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if count["paths"] != _hash(paths):
        raise InputError(f"{place}: was made of other photos; give the same ones, or remove {place.parent}.")
    return count


def _hash(paths: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(paths).encode()).hexdigest()


def _rows(tagger: Tagger, paths: Sequence[str], threshold: float, on_photos: Callable[[int], None]) -> list[Row]:
    rows: list[Row] = []
    waiting: deque[Future[list[Answer]]] = deque()
    with ThreadPoolExecutor(_AHEAD) as pool:
        for batch in (*_chunks(paths, _BATCH), *[None] * _AHEAD):
            if batch is not None:
                waiting.append(pool.submit(tagger.answer, [Path(path) for path in batch]))
            if waiting and (batch is None or len(waiting) >= _AHEAD):
                answers = waiting.popleft().result()
                rows += [
                    _row(path, answer, tagger.schema, threshold)
                    for path, answer in zip(paths[len(rows) :], answers, strict=False)
                ]
                on_photos(len(rows))
    return rows


def _columns(schema: Schema) -> dict[str, type]:
    probabilities = [name for attribute in schema for name in _names(attribute)]
    return {"photo": str, "tags": list, "person_share": float, "error": str, **dict.fromkeys(probabilities, float)}


def _names(attribute: Attribute) -> list[str]:
    return [attribute.name] if attribute.is_binary else [f"{attribute.name}={name}" for name in attribute.classes]


def _row(path: str, answer: Answer, schema: Schema, threshold: float) -> Row:
    row: Row = {"photo": path, "tags": [], "person_share": answer.person_share, "error": answer.error}
    for attribute in schema:
        names = _names(attribute)
        if answer.error is not None:
            row |= dict.fromkeys(names)
            continue
        probabilities = [float(p) for p in answer.probabilities[attribute.name].ravel()]
        row |= dict(zip(names, probabilities, strict=True))
        best = max(range(len(names)), key=probabilities.__getitem__)
        if probabilities[best] >= threshold:
            row["tags"].append(names[best])
    return row
