"""The feature store: the pooled features of a frozen tower, computed once for all folds and systems.

A store is a folder for everything that determines the features: the tower with its weights and pooling, the view that
it sees and how that was made, mirrored or not, the precision:

    <cache>/features/<hash>/description.json
    <cache>/features/<hash>/<block>/features.npy   float32 (rows, channels)
                                    index.json     the keys of the rows, and checksums

A list of photos is cut into blocks by place, and a block is named by its keys. Which photos are computed together, and
so the last bits of their features, depends on that list alone: not on what the store held, nor on where an earlier pass
was killed.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.data.blocks import BLOCK, digest_of, drop_block, is_whole, open_array, write_block
from keras_sister.errors import InputError
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.json_files import write_json
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers

_ARRAYS = ("features",)


class FeatureStore:
    """The features of one tower and view.

    Args:
        description: everything that determines the features; JSON values.
        cache: the cache folder; `cache_folder()` by default.

    Example:
        >>> store = FeatureStore({"tower": "3f…", "view": "photo", "size": 224})
        >>> store.fill(run.photo_keys, compute)
        >>> store.read(run.photo_keys).shape
        (1856, 1280)
    """

    def __init__(self, description: dict[str, Any], *, cache: Path | None = None) -> None:
        self.description = description
        digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
        self.folder = (cache or cache_folder()) / "features" / digest[:16]

    def fill(
        self,
        keys: Sequence[str],
        compute: Callable[[np.ndarray], np.ndarray],
        *,
        on_photos: Callable[[int], None] = lambda photos: None,
    ) -> None:
        """Compute the features that are missing, or whose block is damaged.

        Args:
            keys: the key of every photo.
            compute: from the places of photos in `keys`, int array, to their features, float32 (rows, channels).
            on_photos: called with the number of further photos whose features are stored.

        Raises:
            OSError: if a block cannot be written, with a file name; all blocks before it are then stored.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        if not (self.folder / "description.json").exists():
            write_json(self.folder / "description.json", self.description)
        for start, block_keys, block in self._blocks(keys):
            if not is_whole(block, _ARRAYS):
                drop_block(block)
                features = compute(np.arange(start, start + len(block_keys)))
                write_block(block, block_keys, {"features": np.asarray(features, np.float32)})
            on_photos(len(block_keys))

    def read(self, keys: Sequence[str]) -> np.ndarray:
        """The features of photos, in the order and the blocks that `fill` was given.

        Returns:
            float32 (photos, channels), memory-mapped: one file without a name, which goes with the array.

        Raises:
            InputError: if a block is missing or damaged, because the cache was changed after the store was filled.
            OSError: if the disk is full, with the folder's name.
        """
        blocks = [block for _, _, block in self._blocks(keys)]
        for block in blocks:
            if not is_whole(block, _ARRAYS):
                raise InputError(f"{block}: missing or damaged; run the command again with --resume to make it again.")
        channels = open_array(blocks[0], "features").shape[1]
        try:
            with tempfile.TemporaryFile(dir=self.folder, prefix=aside_prefix()) as joined:
                for block in blocks:
                    joined.write(np.ascontiguousarray(open_array(block, "features")).data)
                joined.flush()
                return np.memmap(joined, np.float32, "r", shape=(len(keys), channels))
        except OSError as error:  # that of a full disk names no file
            error.filename = error.filename or str(self.folder)
            raise

    def _blocks(self, keys: Sequence[str]) -> list[tuple[int, list[str], Path]]:
        """First place, keys and folder of every block."""
        starts = range(0, len(keys), BLOCK)
        blocks = [(start, list(keys[start : start + BLOCK])) for start in starts]
        return [(start, block_keys, self.folder / digest_of(block_keys)) for start, block_keys in blocks]
