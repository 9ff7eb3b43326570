"""The folder of all versions of an export: find the newest version, add the next one."""

import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers
from keras_sister.storage.regular_files import check_regular

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


def newest_version(folder: Path) -> Path:
    """The folder of the highest version in ``saved_models/NAME``; ``saved_models/NAME/1`` is returned as is.

    Raises:
        InputError: if there is no export.
    """
    if (folder / "saved_model.pb").exists():
        return folder
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and (path / "saved_model.pb").exists()]
    if not versions:
        raise InputError(
            f"{folder}: not an export; expected saved_models/NAME or saved_models/NAME/1 of 'sister-keras export'."
        )
    return max(versions, key=lambda version: int(version.name))


def read_export_schema(export: Path) -> Schema:
    """Read the schema of an export: from its folder, that of all its versions, or a ``schema.json``.

    Raises:
        InputError: if there is none.
    """
    file = newest_version(export) / "assets.extra" / "schema.json" if export.is_dir() else export
    return Schema.load(file)


def export_fingerprint(export: Path) -> str:
    """A hash of an export's graph and weights.

    Raises:
        InputError: if there is no export.
    """
    folder = newest_version(export)
    digest = hashlib.sha256()
    for file in (folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))):
        check_regular(file)
        with file.open("rb") as contents:
            digest.update(hashlib.file_digest(contents, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """A temporary folder among the versions, which TensorFlow Serving ignores; removed at the end unless published.

    Raises:
        InputError: if `folder` cannot be written to, is a version itself, or has a name that would need quoting in
            URLs, YAML or protocol buffer text.
    """
    if not _NAME.fullmatch(folder.resolve().name):
        raise InputError(f"{str(folder)!a}: invalid name of a model; use letters A–Z, digits, '.', '_' and '-'.")
    if (folder / "saved_model.pb").exists():
        raise InputError(f"{folder}: one version of an export; give the folder of all versions, {folder.parent}.")
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    temporary = folder / f"{aside_prefix()}{uuid.uuid4().hex}"
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror}.") from error
    remove_leftovers(folder)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            for place in made:
                place.rmdir()  # fails unless it is empty


def next_version(folder: Path) -> int:
    """The number after the highest version."""
    return max((int(version.name) for version in folder.iterdir() if version.name.isdecimal()), default=0) + 1


def publish(temporary: Path, folder: Path) -> Path:
    """Rename a finished export to the number after the highest version.

    Returns:
        Its new path.
    """
    number = next_version(folder)
    try:
        return temporary.rename(folder / str(number))
    except OSError:
        if not (folder / str(number)).exists():
            raise
        return publish(temporary, folder)  # another export has taken the number meanwhile
