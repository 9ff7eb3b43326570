"""Blocks of rows on disk, of which the view store and the feature store consist.

A block is a folder: one ``.npy`` file for each of its arrays, and ``index.json`` with the key of every row and the
SHA-256 of the keys and of the arrays. It appears by one rename and never changes, so a killed process loses only its
last block. Each process verifies a block before it first reads it, by `is_whole`.
"""

import contextlib
import hashlib
import io
import json
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.storage.leftovers import aside_prefix
from keras_sister.storage.regular_files import check_regular

BLOCK = 64
"""Photos per block, and the most that a killed process loses."""

_verified: set[tuple[Path, int, int, int]] = set()
"""The files that this process has verified, with inode, size and time of the last change."""


def write_block(block: Path, keys: list[str], arrays: dict[str, np.ndarray]) -> None:
    """Write a block beside its place and rename it when it is complete.

    Args:
        block: the folder to create. If another process has just created it, its block stays.
        keys: the key of every row.
        arrays: by name, each with a row per key.

    Raises:
        OSError: if it cannot be written, with a file name.
    """
    aside = block.parent / f"{aside_prefix()}{uuid.uuid4().hex}"
    try:
        aside.mkdir()
        digests = {}
        for name, array in arrays.items():
            buffer = io.BytesIO()  # np.save does not say why it cannot write to a file
            np.save(buffer, array)
            (aside / f"{name}.npy").write_bytes(buffer.getbuffer())
            digests[name] = hashlib.sha256(buffer.getbuffer()).hexdigest()
        index = {"keys": keys, "sha256": digests, "keys_sha256": digest_of(keys)}
        (aside / "index.json").write_text(json.dumps(index))
        try:
            aside.rename(block)
        except OSError:
            if not block.exists():
                raise
    except OSError as error:  # that of a full disk names no file
        error.filename = error.filename or str(block.parent)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def open_array(block: Path, name: str) -> np.ndarray:
    """An array of a block, memory-mapped."""
    return np.load(block / f"{name}.npy", mmap_mode="r")


def blocks_in(folder: Path) -> list[Path]:
    """The blocks of a store, sorted by name."""
    return sorted(block for block in folder.glob("[!.]*") if block.is_dir())


def keys_of(block: Path) -> list[str]:
    """The keys of a block's rows; none if its index is damaged or that of an older version."""
    try:
        return _index(block)["keys"]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def is_whole(block: Path, arrays: Collection[str]) -> bool:
    """Whether a block has exactly these arrays, and they and the keys are those that were written."""
    try:
        digests = _index(block)["sha256"]
        return digests.keys() == set(arrays) and all(
            _is_verified(block / f"{name}.npy", digest) for name, digest in digests.items()
        )
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return False


def drop_block(block: Path) -> bool:
    """Remove a damaged block. Returns False if another process has just removed it."""
    aside = block.parent / f"{aside_prefix()}{uuid.uuid4().hex}"
    with contextlib.suppress(FileNotFoundError):
        block.rename(aside)  # at once, so that nobody reads half a block
        shutil.rmtree(aside)
        return True
    return False


def digest_of(keys: list[str]) -> str:
    """The SHA-256 of a list of keys."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _index(block: Path) -> dict[str, Any]:
    """The index of a block; an error of any kind if it is missing or damaged."""
    check_regular(block / "index.json")
    index = json.loads((block / "index.json").read_bytes())
    if not index["keys"] or index["keys_sha256"] != digest_of(index["keys"]):
        raise ValueError(f"{block}: the keys are not those that were written")
    return index


def _is_verified(file: Path, digest: str) -> bool:
    check_regular(file)
    status = file.stat()
    state = (file, status.st_ino, status.st_size, status.st_mtime_ns)
    if state in _verified:
        return True
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != digest:
            return False
    _verified.add(state)
    return True
