"""The view store: every photo is decoded and segmented once, for all folds, models and backgrounds.

A store is a folder for one image size and one way to make masks. It consists of blocks, each a folder of its own:

    <cache>/views/224px-v2-<fingerprint>/<block>/photos.npy   uint8 (rows, 224, 224, 3), RGB
                                                 masks.npy    uint8 (rows, 224, 224, 1), 255 = person
                                                 index.json   the key of each row, and the SHA-256 of both arrays

In its name are the image size, the version of `keras_sister.images`, and a hash of what makes the masks. A row's key is
the SHA-256 of the photo's file; where masks are looked up by the photo's name, that of the file and the name.

A block appears by one rename and never changes (see `keras_sister.data.blocks`). Two processes may therefore fill a
store at once (at worst a photo is stored twice), and a photo whose bytes changed is stored anew. `ViewStore.fill` drops
a damaged block and makes its view pairs again. What reads a store knows NumPy alone; only filling it needs TensorFlow.
"""

import contextlib
import functools
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sister.data.blocks import blocks_in, drop_block, is_whole, keys_of, open_array, write_block
from keras_sister.errors import InputError
from keras_sister.photo_files import PIXELS_VERSION, UnreadablePhotosError, content_hash
from keras_sister.segmenter import looks_up_names
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.leftovers import remove_leftovers

if TYPE_CHECKING:
    from keras_sister.data.view_pairs import PairMaker


@functools.lru_cache(maxsize=256)
def _opened(block: Path, name: str) -> np.ndarray:
    """An array of a block, memory-mapped. Few at once: each holds a file open, of which a process may have 1,024."""
    return open_array(block, name)


@dataclass(frozen=True, eq=False)
class ViewPairs:
    """The view pairs of a list of photos, read from memory-mapped files on access.

    Attributes:
        blocks: blocks of the store.
        places: for each photo the number of its block, and its row there: int32 array (photos, 2).
        size: height and width in pixels.
        has_masks: whether the store was filled with a segmenter.
    """

    blocks: tuple[Path, ...]
    places: np.ndarray
    size: int
    has_masks: bool

    def __len__(self) -> int:
        return len(self.places)

    @property
    def channels(self) -> dict[str, int]:
        """Number of channels of each image: ``photo`` 3, and with a segmenter ``mask`` 1."""
        return {"photo": 3, "mask": 1} if self.has_masks else {"photo": 3}

    def read(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read ``photo`` or ``mask``: see `photos` and `masks`."""
        return self.photos(rows) if name == "photo" else self.masks(rows)

    def photos(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read photos: uint8 array, shape (len(rows), size, size, 3), RGB."""
        return self._read("photos", rows)

    def masks(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read person masks: uint8 array, shape (len(rows), size, size, 1), 255 = person.

        Raises:
            ValueError: if the store has no masks.
        """
        if not self.has_masks:
            raise ValueError("Expected view pairs with masks. Received: view pairs made without a segmenter.")
        return self._read("masks", rows)

    def _read(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        places = self.places[np.asarray(rows, np.intp)].tolist()
        return np.stack([_opened(self.blocks[block], name)[row] for block, row in places])

    def without_person(self) -> list[int]:
        """Rows of the photos in which no person was found: the mask stays below 128. Empty without masks."""
        if not self.has_masks:
            return []
        return [row for row in range(len(self)) if self.masks([row]).max() < 128]


class ViewStore:
    """The view pairs of one image size and one way to make masks.

    Args:
        size: height and width of the views, in pixels.
        fingerprint: that of the preprocessor; None for a store without masks.
        cache: the cache folder; `cache_folder()` by default.

    Example:
        >>> preprocessor = Preprocessor("selfie", size=224)
        >>> store = ViewStore(224, preprocessor.fingerprint)
        >>> keys = store.fill(dataset.photos, preprocessor)
        >>> store.open(keys, dataset.photos).photos([0, 5]).shape
        (2, 224, 224, 3)
    """

    def __init__(self, size: int, fingerprint: str | None, *, cache: Path | None = None) -> None:
        self.size = size
        self.fingerprint = fingerprint
        name = hashlib.sha256(fingerprint.encode()).hexdigest()[:16] if fingerprint else "photos"
        self.folder = (cache or cache_folder()) / "views" / f"{size}px-v{PIXELS_VERSION}-{name}"

    def fill(
        self,
        photos: Sequence[Path],
        preprocessor: "PairMaker",
        *,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> list[str]:
        """Make the view pairs that are missing.

        Args:
            photos: files of any image size.
            preprocessor: must have the store's size and fingerprint.
            on_event: receives ``{"event": "photos", "photos": number stored, "of": number of photos}``, and before
                ``{"event": "damaged", "blocks": number dropped, "folder": store}`` if there are damaged blocks.

        Returns:
            The content hash of every photo, in order.

        Raises:
            UnreadablePhotosError: if photos cannot be decoded; the view pairs of all others are then stored.
            InputError: if a photo cannot be segmented, naming it.
            OSError: if a block cannot be written, with a file name; all blocks before it are then stored.
            ValueError: for a preprocessor of another size or segmenter.
        """
        from keras_sister.data.view_pairs import make_view_pairs, why_not_made  # TensorFlow

        if (preprocessor.size, preprocessor.fingerprint) != (self.size, self.fingerprint):
            raise ValueError(
                f"Expected a preprocessor with size={self.size} and fingerprint={self.fingerprint}."
                f" Received: {preprocessor!r}"
            )
        hashes, reasons = _hash_all(photos)
        keys = self.row_keys(hashes, photos)
        dropped = self._drop_damaged(set(keys))
        if dropped:
            on_event({"event": "damaged", "blocks": dropped, "folder": str(self.folder)})
        is_stored = self._places(keys)[1][:, 0] >= 0
        missing = {key: photo for key, photo, stored in zip(keys, photos, is_stored, strict=True) if key and not stored}
        if missing or len({photo.stem for photo in photos}) < len(photos):
            preprocessor.check(photos)  # what is stored was checked then, but for another photo of its name
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        done, of = len(photos) - len(missing) - len(reasons), len(photos)
        on_event({"event": "photos", "photos": done, "of": of})
        unmade, keys_missing = dict(missing), list(missing)
        with contextlib.closing(make_view_pairs(list(missing.values()), preprocessor)) as blocks:
            for rows, pairs in blocks:
                block = [keys_missing[row] for row in rows]
                write_block(self.folder / uuid.uuid4().hex, block, {f"{view}s": array for view, array in pairs.items()})
                for key in block:
                    del unmade[key]
                done += len(block)
                on_event({"event": "photos", "photos": done, "of": of})
        reasons |= {row: why_not_made(photos[row], preprocessor) for row, key in enumerate(keys) if key in unmade}
        if reasons:
            raise UnreadablePhotosError(photos, reasons)
        return hashes

    def open(self, hashes: Sequence[str], photos: Sequence[Path] | None = None) -> ViewPairs:
        """Open the view pairs of photos, in their order.

        Args:
            hashes: what `fill` returned.
            photos: the files; needed where masks are looked up by name.

        Raises:
            InputError: if one is missing or damaged, because the cache was changed after the store was filled.
            ValueError: if `photos` are needed and missing.
        """
        blocks, places = self._places(self.row_keys(hashes, photos))
        lost = np.count_nonzero(places[:, 0] < 0)
        if lost:
            raise InputError(f"{self.folder}: {lost} view pairs are missing; run the command again to make them.")
        for block in (blocks[number] for number in np.unique(places[:, 0])):
            if not is_whole(block, self._arrays):
                raise InputError(f"{block}: damaged; run the command again (a run with --resume) to make it again.")
        return ViewPairs(blocks, places, self.size, self.fingerprint is not None)

    def row_keys(self, hashes: Sequence[str], photos: Sequence[Path] | None) -> list[str]:
        """The keys of photos in this store: photos with one key have the same view pair.

        Args:
            hashes: content hash of each photo; empty for one that cannot be read, as its key is.
            photos: the files; needed where masks are looked up by name.

        Raises:
            ValueError: if `photos` are needed and missing.
        """
        if not (self.fingerprint and looks_up_names(self.fingerprint)):
            return list(hashes)
        if photos is None:
            raise ValueError("Expected photos, since their masks are looked up by name. Received: photos=None")
        return [
            hashlib.sha256(f"{digest} ".encode() + os.fsencode(photo.stem)).hexdigest() if digest else ""
            for digest, photo in zip(hashes, photos, strict=True)
        ]

    def _places(self, keys: Sequence[str]) -> tuple[tuple[Path, ...], np.ndarray]:
        """The blocks of the store; and for each key its block and row, int32 (keys, 2), −1 where it is missing."""
        blocks = tuple(blocks_in(self.folder))
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        places = np.full((len(numbers), 2), -1, np.int32)
        for block, path in enumerate(blocks):
            for row, key in enumerate(keys_of(path)):
                if key in numbers:  # a store may hold millions of others
                    places[numbers[key]] = block, row
        return blocks, places[np.array([numbers[key] for key in keys], np.intp)]

    def _drop_damaged(self, wanted: set[str]) -> int:
        """Remove the damaged blocks among those of the wanted keys, and all without a readable index."""
        dropped = 0
        for block in blocks_in(self.folder):
            keys = keys_of(block)
            if (not keys or wanted.intersection(keys)) and not is_whole(block, self._arrays):
                dropped += drop_block(block)
        return dropped

    @property
    def _arrays(self) -> tuple[str, ...]:
        return ("photos", "masks") if self.fingerprint else ("photos",)


def _hash_all(photos: Sequence[Path]) -> tuple[list[str], dict[int, str]]:
    """The content hash of each photo, empty where it cannot be read, and the reasons by row."""
    hashes, reasons = [], {}
    for row, photo in enumerate(photos):
        try:
            hashes.append(content_hash(photo))
        except InputError as error:
            hashes.append("")
            reasons[row] = str(error)
    return hashes, reasons
