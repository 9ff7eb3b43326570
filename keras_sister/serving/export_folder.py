"""Where in a folder of exports to look."""

import hashlib
from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.schema import Schema


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
