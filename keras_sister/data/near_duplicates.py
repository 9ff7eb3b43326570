"""Photos that look alike although their files differ: resized, compressed again, or taken in one burst."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_sister.extras import require
from keras_sister.small_photos import small_photo

MOST_DIFFERENT_BITS = 10
"""Of the 64 bits of a perceptual hash. Of 120 synthetic photos, copies of half the size differed in at most 2, copies
without a rim of 2 % in 4 (median) to 12, and different photos in at least 14."""

_ROWS = 512  # compared with all others at a time


def find_near_duplicates(photos: Sequence[Path], *, on_photo: Callable[[], None] = lambda: None) -> list[list[int]]:
    """Find photos that look alike, by ImageHash's perceptual hash.

    Args:
        photos: readable photos.
        on_photo: called after each photo.

    Returns:
        Groups of rows that look alike, of two or more; a photo like two others joins them.

    Raises:
        InputError: if ImageHash is not installed.
    """
    require(("imagehash",), "Near-duplicates need ImageHash", "duplicates")
    found = []
    with ThreadPoolExecutor() as pool:
        for value in pool.map(_hash, photos):
            found.append(value)
            on_photo()
    compared = [row for row, value in enumerate(found) if value is not None]
    hashes = np.array([found[row] for row in compared], np.uint64)
    pairs = [np.zeros((0, 2), int)]
    for start in range(0, len(hashes), _ROWS):
        different = np.bitwise_count(hashes[start : start + _ROWS, None] ^ hashes[None, start:])
        pairs.append(np.argwhere(different <= MOST_DIFFERENT_BITS) + start)
    first, second = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(hashes), len(hashes)))
    groups = connected_components(graph, directed=False)[1]
    rows_of: dict[int, list[int]] = {}
    for row, group in zip(compared, groups.tolist(), strict=True):
        rows_of.setdefault(group, []).append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def _hash(photo: Path) -> int | None:
    """The hash of a photo; None for the few that TensorFlow decodes and Pillow does not."""
    import imagehash

    small = small_photo(photo, 128)
    return None if small is None else int(str(imagehash.phash(small)), 16)
