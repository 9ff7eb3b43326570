"""The view store: every photo is decoded and segmented once, for all folds, models and backgrounds.

A store is a folder for one image size and one way to make masks. It consists of blocks, each a folder of its own:

    <cache>/views/224px-v2-<fingerprint>/<block>/photos.npy   uint8 (rows, 224, 224, 3), RGB
                                                 masks.npy    uint8 (rows, 224, 224, 1), 255 = person
                                                 index.json   the SHA-256 of each row's file, and of both arrays

In its name are the image size, the version of `keras_sister.images`, and a hash of what makes the masks.

A block appears by one rename and never changes. Two processes may therefore fill a store at once (at worst a photo is
stored twice), a killed process loses only its last block, and a photo whose bytes changed is stored anew. Each process
verifies a block before it first reads it; `ViewStore.fill` drops a damaged block and makes its view pairs again.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.photo_files import UnreadablePhotosError, content_hash, try_read
from keras_sister.photo_kinds import why_not_decoded
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers
from keras_sister.storage.regular_files import check_regular

BLOCK = 64
"""Photos per block, and the most that a killed process loses."""

_HELD = 64  # more blocks than the pipeline holds when it is stopped

_verified: set[tuple[Path, int, int, int]] = set()
"""The files that this process has verified, with inode, size and time of the last change."""


class PairMaker(Protocol):
    """What fills a store: `keras_sister.segmentation.preprocessor.Preprocessor`, whose methods these are."""

    size: int | None
    fingerprint: str | None

    def check(self, photos: Sequence[Path]) -> None: ...

    def read(self, contents: Any) -> dict[str, Any]: ...

    def view_pair(self, resized: dict[str, Any], names: Any = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ViewPairs:
    """The view pairs of a list of photos, read from memory-mapped files on access.

    Attributes:
        rows: for each photo the photos and the masks of its block, memory-mapped, and its row in them; the masks are
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
        """Whether the store was filled with a segmenter."""
        return self.rows[0][1] is not None

    @property
    def channels(self) -> dict[str, int]:
        """Number of channels of each image: ``photo`` 3, and with a segmenter ``mask`` 1."""
        return {"photo": 3, "mask": 1} if self.has_masks else {"photo": 3}

    def read(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read ``photo`` or ``mask``: see `photos` and `masks`."""
        return self.photos(rows) if name == "photo" else self.masks(rows)

    def photos(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read photos: uint8 array, shape (len(rows), size, size, 3), RGB."""
        return np.stack([self.rows[row][0][self.rows[row][2]] for row in rows])

    def masks(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read person masks: uint8 array, shape (len(rows), size, size, 1), 255 = person.

        Raises:
            ValueError: if the store has no masks.
        """
        if not self.has_masks:
            raise ValueError("Expected view pairs with masks. Received: view pairs made without a segmenter.")
        return np.stack([self.rows[row][1][self.rows[row][2]] for row in rows])  # type: ignore[index]

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
        >>> store.open(keys).photos([0, 5]).shape
        (2, 224, 224, 3)
    """

    def __init__(self, size: int, fingerprint: str | None, *, cache: Path | None = None) -> None:
        self.size = size
        self.fingerprint = fingerprint
        name = hashlib.sha256(fingerprint.encode()).hexdigest()[:16] if fingerprint else "photos"
        self.folder = (cache or cache_folder()) / "views" / f"{size}px-v{images.VERSION}-{name}"

    def fill(
        self,
        photos: Sequence[Path],
        preprocessor: PairMaker,
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
            The key of every photo, in order: its content hash.

        Raises:
            UnreadablePhotosError: if photos cannot be decoded; the view pairs of all others are then stored.
            InputError: if a photo cannot be segmented, naming it.
            OSError: if a block cannot be written, with a file name; all blocks before it are then stored.
            ValueError: for a preprocessor of another size or segmenter.
        """
        if (preprocessor.size, preprocessor.fingerprint) != (self.size, self.fingerprint):
            raise ValueError(
                f"Expected a preprocessor with size={self.size} and fingerprint={self.fingerprint}."
                f" Received: {preprocessor!r}"
            )
        preprocessor.check(photos)
        keys, reasons = _hash_all(photos)
        dropped = self._drop_damaged(set(keys))
        if dropped:
            on_event({"event": "damaged", "blocks": dropped, "folder": str(self.folder)})
        stored = self._locations()
        missing = {key: photo for key, photo in zip(keys, photos, strict=True) if key and key not in stored}
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        done, of = len(photos) - len(missing) - len(reasons), len(photos)
        on_event({"event": "photos", "photos": done, "of": of})
        unmade, keys_missing = dict(missing), list(missing)
        with contextlib.closing(_view_pairs(list(missing.values()), preprocessor)) as blocks:
            for rows, pairs in blocks:
                block = [keys_missing[row] for row in rows]
                self._write(block, pairs)
                for key in block:
                    del unmade[key]
                done += len(block)
                on_event({"event": "photos", "photos": done, "of": of})
        reasons |= {row: _why_not_decoded(photos[row], preprocessor) for row, key in enumerate(keys) if key in unmade}
        if reasons:
            raise UnreadablePhotosError(photos, reasons)
        return keys

    def open(self, keys: Sequence[str]) -> ViewPairs:
        """Open the view pairs of `keys`, in their order.

        Raises:
            InputError: if one is missing or damaged, because the cache was changed after the store was filled.
        """
        stored = self._locations()
        lost = [key for key in keys if key not in stored]
        if lost:
            raise InputError(f"{self.folder}: {len(lost)} view pairs are missing; run the command again to make them.")
        blocks: dict[Path, tuple[np.ndarray, np.ndarray | None]] = {}
        for block in {stored[key][0] for key in keys}:
            if not self._is_whole(block):
                raise InputError(f"{block}: damaged; run the command again (a run with --resume) to make it again.")
            masks = np.load(block / "masks.npy", mmap_mode="r") if self.fingerprint else None
            blocks[block] = (np.load(block / "photos.npy", mmap_mode="r"), masks)
        return ViewPairs(tuple((*blocks[stored[key][0]], stored[key][1]) for key in keys))

    def _locations(self) -> dict[str, tuple[Path, int]]:
        """Block and row of every key in the store."""
        return {key: (block, row) for block in self._blocks() for row, key in enumerate(_keys(block))}

    def _blocks(self) -> list[Path]:
        return sorted(block for block in self.folder.glob("[!.]*") if block.is_dir())

    def _drop_damaged(self, wanted: set[str]) -> int:
        """Remove the damaged blocks among those of the wanted keys, and all without a readable index."""
        dropped = 0
        for block in self._blocks():
            keys = _keys(block)
            if (not keys or wanted.intersection(keys)) and not self._is_whole(block):
                aside = self.folder / f"{aside_prefix()}{uuid.uuid4().hex}"
                with contextlib.suppress(FileNotFoundError):  # another process has just dropped it
                    block.rename(aside)  # at once, so that nobody reads half a block
                    shutil.rmtree(aside)
                    dropped += 1
        return dropped

    def _is_whole(self, block: Path) -> bool:
        """Whether the keys and arrays of a block are those that were written, by their SHA-256."""
        try:
            digests = _index(block)["sha256"]
            expected = {"photos", "masks"} if self.fingerprint else {"photos"}
            return digests.keys() == expected and all(
                _is_verified(block / f"{name}.npy", digest) for name, digest in digests.items()
            )
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
            return False

    def _write(self, keys: list[str], pairs: dict[str, np.ndarray]) -> None:
        name = uuid.uuid4().hex
        aside = self.folder / f"{aside_prefix()}{name}"
        try:
            aside.mkdir()
            digests = {}
            for view, array in pairs.items():
                buffer = io.BytesIO()  # np.save does not say why it cannot write to a file
                np.save(buffer, array)
                (aside / f"{view}s.npy").write_bytes(buffer.getbuffer())
                digests[f"{view}s"] = hashlib.sha256(buffer.getbuffer()).hexdigest()
            index = {"keys": keys, "sha256": digests, "keys_sha256": _digest_of(keys)}
            (aside / "index.json").write_text(json.dumps(index))
            aside.rename(self.folder / name)
        except OSError as error:  # that of a full disk names no file
            error.filename = error.filename or str(self.folder)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _keys(block: Path) -> list[str]:
    """The keys of a block's rows; none if its index is damaged or that of an older version."""
    try:
        return _index(block)["keys"]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _index(block: Path) -> dict[str, Any]:
    """The index of a block; an error of any kind if it is missing or damaged."""
    check_regular(block / "index.json")
    index = json.loads((block / "index.json").read_bytes())
    if not index["keys"] or index["keys_sha256"] != _digest_of(index["keys"]):
        raise ValueError(f"{block}: the keys are not those that were written")
    return index


def _digest_of(keys: list[str]) -> str:
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


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


def _hash_all(photos: Sequence[Path]) -> tuple[list[str], dict[int, str]]:
    """The content hash of each photo, empty where it cannot be read, and the reasons by row."""
    keys, reasons = [], {}
    for row, photo in enumerate(photos):
        try:
            keys.append(content_hash(photo))
        except InputError as error:
            keys.append("")
            reasons[row] = str(error)
    return keys, reasons


def _view_pairs(
    photos: Sequence[Path], preprocessor: PairMaker
) -> Generator[tuple[np.ndarray, dict[str, np.ndarray]], None, None]:
    """Decode, resize and segment photos in one ``tf.data`` pipeline.

    Yields:
        Blocks of up to `BLOCK` rows of `photos`, in order, with their view pairs. A photo that cannot be decoded is in
        no block. Closing the generator ends the pipeline: its destructor may wait forever for a segmenter at work.
    """
    if not photos:
        return

    def read(row: tf.Tensor, path: tf.Tensor, name: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        return row, preprocessor.read(tf.io.read_file(path)), name

    def segment(
        rows: tf.Tensor, resized: dict[str, tf.Tensor], names: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return rows, preprocessor.view_pair(resized, names)

    # As bytes, because a file name need not be UTF-8.
    files = ([os.fsencode(photo) for photo in photos], [os.fsencode(photo.stem) for photo in photos])
    with tf.device("CPU"):
        stopped = tf.Variable(False)
    options = tf.data.Options()
    options.autotune.enabled = False  # it sometimes settles for one core, which takes twice as long
    batches = (
        tf.data.Dataset.from_tensor_slices((np.arange(len(photos)), *files))
        .take_while(lambda *_: tf.logical_not(stopped))
        .map(read, num_parallel_calls=os.cpu_count())
        .ignore_errors()  # one broken photo loses only itself
        .batch(BLOCK // 8)  # a full-width FCN fits two such batches in memory
        .prefetch(2)  # decode while the segmenter works
        .map(segment, num_parallel_calls=2)
        .rebatch(BLOCK)
        .prefetch(1)
        .with_options(options)
    )
    iterator = batches.as_numpy_iterator()
    try:
        yield from iterator
    except tf.errors.ResourceExhaustedError:  # not the photo's fault
        raise
    except tf.errors.OpError as error:
        raise InputError(error.message.splitlines()[0]) from error
    finally:
        stopped.assign(True)
        for _ in range(_HELD):
            with contextlib.suppress(tf.errors.OpError):
                if next(iterator, None) is None:
                    break


def _why_not_decoded(photo: Path, preprocessor: PairMaker) -> str:
    """Why a photo is in no block: the pipeline drops what fails and does not say why.

    Raises:
        tf.errors.ResourceExhaustedError, MemoryError: if it can be decoded but memory ran out.
    """
    contents, reason = try_read(photo)  # it may be gone by now
    if reason:
        return f"{photo}: {reason}."
    try:
        preprocessor.read(tf.constant(contents))
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError:
        return f"{photo}: {why_not_decoded(contents)}."
    raise MemoryError(f"{photo}: could not be decoded before, and now can")
