"""The folder of all versions of an export: where to look in it, and how the next one gets into it."""

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.schema import Schema

_DAY = 24 * 60 * 60  # seconds
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


def newest_version(folder: Path) -> Path:
    """The folder of the highest version in ``saved_models/NAME``; ``saved_models/NAME/1`` is one itself.

    Raises:
        InputError: if there is none.
    """
    if (folder / "saved_model.pb").exists():
        return folder
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and (path / "saved_model.pb").exists()]
    if not versions:
        raise InputError(
            f"{folder}: no export; expected saved_models/NAME or saved_models/NAME/1, made by 'sister-keras export'."
        )
    return max(versions, key=lambda version: int(version.name))


def schema_of(export: Path) -> Schema:
    """The schema of an export, from its folder or that of all its versions, or from a ``schema.json``.

    Raises:
        InputError: if there is none.
    """
    file = newest_version(export) / "assets.extra" / "schema.json" if export.is_dir() else export
    return Schema.load(file)


def fingerprint(export: Path) -> str:
    """What tells one export from another: a hash of its graph and weights.

    Raises:
        InputError: if there is none.
    """
    folder = newest_version(export)
    digest = hashlib.sha256()
    for file in (folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))):
        with file.open("rb") as contents:
            digest.update(hashlib.file_digest(contents, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def place_aside(folder: Path) -> Iterator[Path]:
    """A new folder among the versions, by a name that TensorFlow Serving skips; removed afterwards unless published.

    Raises:
        InputError: if `folder` cannot be written to, is a version itself, or has a name that no URL, YAML or text of
            protocol buffers takes as it is.
    """
    if not _NAME.fullmatch(folder.resolve().name):
        raise InputError(
            f"{str(folder)!a}: call the folder, and so the model, by letters A–Z, digits, '.', '_' and '-'."
        )
    if (folder / "saved_model.pb").exists():
        raise InputError(f"{folder}: a version of an export; give the folder of all versions, {folder.parent}.")
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    aside = folder / f".export-{uuid.uuid4().hex}"
    try:
        aside.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror}") from error
    _remove_what_was_killed(folder)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            for place in made:
                place.rmdir()  # goes only if nothing is in it


def publish(aside: Path, folder: Path) -> Path:
    """Rename a finished export to the number after the highest.

    Returns:
        Where it lies now.
    """
    number = max((int(version.name) for version in folder.iterdir() if version.name.isdecimal()), default=0) + 1
    try:
        return aside.rename(folder / str(number))
    except OSError:
        if not (folder / str(number)).exists():
            raise
        return publish(aside, folder)  # another export took the number meanwhile


def _remove_what_was_killed(folder: Path) -> None:
    """Remove what exports that were killed have left; none that is at work is a day old."""
    for aside in folder.glob(".export-*"):
        with suppress(FileNotFoundError):  # another export removes it too
            if time.time() - aside.stat().st_mtime > _DAY:
                shutil.rmtree(aside, ignore_errors=True)
