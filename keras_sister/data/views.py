"""The view store: every photo decoded once and segmented once, for all folds, models and background colours.

A store is a folder for one image size and one segmenter. It holds blocks; a block is a folder of its own:

    <cache>/views/224px-<fingerprint>/<block>/photos.npy   uint8 (rows, 224, 224, 3), RGB
                                              masks.npy    uint8 (rows, 224, 224, 1), 255 = surely person
                                              index.json   the SHA-256 of each row's file

Blocks appear by one rename and never change. So two processes may fill a store at once (at worst a photo stands in it
twice), a killed one loses its last block only, and a photo whose bytes changed is simply not there yet.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister import images
from keras_sister.cache import cache_folder
from keras_sister.errors import InputError
from keras_sister.segmenter import Segmenter

BLOCK = 64
"""Photos a block: what a killed build loses at most."""

_STALE = 24 * 3600  # an unfinished block this many seconds old belongs to a build that was killed


def content_hash(photo: Path) -> str:
    """The SHA-256 of a photo's bytes.

    Raises:
        InputError: as `keras_sister.images.read` does.
    """
    return hashlib.sha256(images.read(photo)).hexdigest()


@dataclass(frozen=True)
class Views:
    """The view pairs of a list of photos, read from the store's files as they are asked for.

    Attributes:
        rows: for each photo the photos and the masks of its block, memory-mapped, and its row there; the masks are
            None in a store without a segmenter.
    """

    rows: tuple[tuple[np.ndarray, np.ndarray | None, int], ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.rows[0][0].shape[1]

    @property
    def has_masks(self) -> bool:
        return self.rows[0][1] is not None

    def photos(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The photos: uint8 array, shape (len(rows), size, size, 3), RGB."""
        return np.stack([self.rows[row][0][self.rows[row][2]] for row in rows])

    def masks(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The person masks: uint8 array, shape (len(rows), size, size, 1), 255 = surely person.

        Raises:
            ValueError: if the store has no masks.
        """
        if not self.has_masks:
            raise ValueError("Expected views with masks. Received: views made without a segmenter.")
        return np.stack([self.rows[row][1][self.rows[row][2]] for row in rows])  # type: ignore[index]

    def without_person(self) -> list[int]:
        """The photos in which nobody was found: no pixel of their masks reaches 128; none in a store without masks."""
        if not self.has_masks:
            return []
        return [row for row in range(len(self)) if self.masks([row]).max() < 128]


class ViewStore:
    """The view pairs of one image size and one segmenter.

    Args:
        size: height and width of the views, in pixels.
        fingerprint: the segmenter's; None for a store of photos without masks.
        cache: the folder above all stores; `cache_folder()` by default.

    Example:
        >>> store = ViewStore(224, segmenter.fingerprint)
        >>> keys = store.fill(dataset.photos, segmenter)
        >>> store.open(keys).photos([0, 5]).shape
        (2, 224, 224, 3)
    """

    def __init__(self, size: int, fingerprint: str | None, *, cache: Path | None = None) -> None:
        self.size = size
        self.fingerprint = fingerprint
        name = hashlib.sha256(fingerprint.encode()).hexdigest()[:16] if fingerprint else "photos"
        self.folder = (cache or cache_folder()) / "views" / f"{size}px-{name}"

    def fill(
        self,
        photos: Sequence[Path],
        segmenter: Segmenter | None = None,
        *,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> list[str]:
        """Make the view pairs that are not there yet.

        Args:
            photos: files of any image size.
            segmenter: whose fingerprint the store has (see `keras_sister.segmenter`).
            on_event: told of ``{"event": "photos", "photos": how many are there, "of": how many there will be}``.

        Returns:
            The key of every photo, in order: its content hash.

        Raises:
            InputError: if a photo cannot be decoded or segmented, naming it.
        """
        if (segmenter.fingerprint if segmenter else None) != self.fingerprint:
            raise ValueError(f"Expected the segmenter with fingerprint={self.fingerprint}. Received: {segmenter}")
        if segmenter:
            segmenter.check([photo.stem for photo in photos])
        keys = [content_hash(photo) for photo in photos]
        stored = self._locations()
        missing = list({key: photo for key, photo in zip(keys, photos, strict=True) if key not in stored}.items())
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        batches = _view_pairs([photo for _, photo in missing], self.size, segmenter)
        done, of = len(photos) - len(missing), len(photos)
        on_event({"event": "photos", "photos": done, "of": of})
        for start, views in zip(range(0, len(missing), BLOCK), batches, strict=True):
            block = missing[start : start + BLOCK]
            self._write([key for key, _ in block], views)
            done += len(block)
            on_event({"event": "photos", "photos": done, "of": of})
        return keys

    def open(self, keys: Sequence[str]) -> Views:
        """The view pairs of `keys`, in their order.

        Raises:
            InputError: if one is not in the store, because the cache was emptied since it was filled.
        """
        stored = self._locations()
        lost = [key for key in keys if key not in stored]
        if lost:
            raise InputError(f"{self.folder}: {len(lost)} views are gone; run the command again to make them anew.")
        blocks: dict[Path, tuple[np.ndarray, np.ndarray | None]] = {}
        for block in {stored[key][0] for key in keys}:
            masks = np.load(block / "masks.npy", mmap_mode="r") if self.fingerprint else None
            blocks[block] = (np.load(block / "photos.npy", mmap_mode="r"), masks)
        return Views(tuple((*blocks[stored[key][0]], stored[key][1]) for key in keys))

    def _locations(self) -> dict[str, tuple[Path, int]]:
        """Block and row of every key in the store."""
        indices = sorted(self.folder.glob("[!.]*/index.json"))
        return {key: (index.parent, row) for index in indices for row, key in enumerate(json.loads(index.read_text()))}

    def _write(self, keys: list[str], views: dict[str, np.ndarray]) -> None:
        name = uuid.uuid4().hex
        aside = self.folder / f".{name}"
        aside.mkdir()
        for view, array in views.items():
            np.save(aside / f"{view}s.npy", array)
        (aside / "index.json").write_text(json.dumps(keys))
        aside.rename(self.folder / name)

    def _sweep(self) -> None:
        for aside in self.folder.glob(".*"):
            if time.time() - aside.stat().st_mtime > _STALE:
                shutil.rmtree(aside, ignore_errors=True)


def _view_pairs(photos: Sequence[Path], size: int, segmenter: Segmenter | None) -> Iterator[dict[str, np.ndarray]]:
    """Decode, resize and segment photos in one ``tf.data`` pipeline; yields blocks of `BLOCK` view pairs."""
    if not photos:
        return

    def read(path: tf.Tensor, name: tf.Tensor) -> dict[str, tf.Tensor]:
        image = images.decode(tf.io.read_file(path))
        example = {"photo": images.resize(image, size)}
        if segmenter is not None:
            wanted = segmenter.size
            example["image"] = images.resize(image, wanted) if wanted else example["photo"]
            example["name"] = name
        return example

    def segment(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if segmenter is None:
            return batch
        probability = segmenter(batch["image"], batch["name"])
        return {"photo": batch["photo"], "mask": images.to_masks(probability, size, size)}

    # As bytes: a name need not be UTF-8.
    files = ([os.fsencode(photo) for photo in photos], [os.fsencode(photo.stem) for photo in photos])
    options = tf.data.Options()
    options.autotune.enabled = False  # it at times settles for one core, which takes twice as long
    batches = (
        tf.data.Dataset.from_tensor_slices(files)
        .map(read, num_parallel_calls=os.cpu_count())
        .batch(BLOCK // 8)  # two of them are what a full-width FCN holds in memory at once
        .prefetch(2)  # decoding goes on while the segmenter works
        .map(segment, num_parallel_calls=2)
        .rebatch(BLOCK)
        .prefetch(1)
        .with_options(options)
    )
    try:
        yield from batches.as_numpy_iterator()
    except tf.errors.OpError as error:
        raise InputError(_culprit(photos) or f"{error.message.splitlines()[0]}") from error


def _culprit(photos: Sequence[Path]) -> str | None:
    """What to say of the first photo that does not decode; TensorFlow's own message does not name the file."""
    for photo in photos:
        try:
            images.decode(tf.io.read_file(os.fsencode(photo)))
        except tf.errors.OpError:
            return f"{photo}: broken or truncated image. 'sister-keras data check' lists every such photo."
    return None
