"""The cache folder: view stores, feature stores and downloaded weights.

All of it can be deleted and is then made or downloaded again.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from keras_sister.errors import InputError

KINDS = {
    "views": "decoded, resized and segmented photos",
    "features": "what frozen towers made of photos",
    "weights": "downloaded weight files",
    "hub": "models downloaded from TensorFlow Hub",
}
"""The kinds of cached files; each is a folder in the cache folder."""


def cache_folder() -> Path:
    """The folder of cached files: ``$KERAS_SISTER_CACHE``, or the user's cache folder of this system.

    Raises:
        InputError: if there is no home folder to put it into.
    """
    chosen = Path(os.environ.get("KERAS_SISTER_CACHE") or platformdirs.user_cache_dir("keras-sister"))
    try:
        return chosen.expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{chosen}: no home folder for the cache; set KERAS_SISTER_CACHE to a folder that can be written to."
        ) from error


@dataclass(frozen=True)
class CacheEntry:
    """One item of the cache, such as the view store of one image size and segmenter.

    Attributes:
        kind: a key of `KINDS`.
        path: the file or folder.
        size: bytes on disk.
    """

    kind: str
    path: Path
    size: int


def list_cache(kinds: tuple[str, ...] = tuple(KINDS)) -> list[CacheEntry]:
    """List what the cache holds, by kind.

    Example:
        >>> sum(entry.size for entry in list_cache(("views",)))
        279183360
    """
    return [
        CacheEntry(kind, path, _size(path))
        for kind in kinds
        if (cache_folder() / kind).is_dir()
        for path in sorted((cache_folder() / kind).iterdir())
    ]


def clear_cache(kinds: tuple[str, ...] = tuple(KINDS)) -> list[CacheEntry]:
    """Delete cached files.

    Args:
        kinds: keys of `KINDS`; by default all.

    Returns:
        What was deleted.

    Raises:
        OSError: if a file cannot be deleted.
    """
    entries = list_cache(kinds)
    for entry in entries:
        if entry.path.is_dir() and not entry.path.is_symlink():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink(missing_ok=True)
    return entries


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
