"""Photos with their label maps, as images that the pipeline reads and augments together."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.data.segmentation.dataset import SegmentationDataset, resize_label_map
from keras_sister.data.view_store import ViewPairs
from keras_sister.storage.atomic import write_atomically


def write_label_maps(
    dataset: SegmentationDataset, size: int, file: Path, *, on_photo: Callable[[int], None]
) -> np.ndarray:
    """Resize all label maps and write them to one memory-mapped file.

    Args:
        dataset: photos and label maps.
        size: height and width, in pixels.
        file: the ``.npy`` file to write.
        on_photo: called with the number of label maps written so far.

    Returns:
        uint8 array, shape (photos, size, size, 1), on disk.

    Raises:
        InputError: if a label map cannot be read.
        OSError: if the file cannot be written, with its name.
    """
    shape = (len(dataset.photos), size, size, 1)

    def write(temporary: Path) -> None:
        # Not through a memory map: where the disk is full, writing to one kills the process.
        with temporary.open("wb") as maps:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(maps, header)
            for row in range(len(dataset.photos)):
                maps.write(resize_label_map(dataset.labels(row), size, size).astype(np.uint8).tobytes())
                on_photo(row + 1)

    write_atomically(file, write)
    maps: np.ndarray = np.load(file, mmap_mode="r")
    return maps


def hash_examples(keys: Sequence[str], maps: np.ndarray) -> str:
    """A hash of photos (by their keys in the view store) and label maps."""
    return hashlib.sha256("".join(keys).encode() + hashlib.sha256(maps.data).digest()).hexdigest()


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos and label maps of one size; see `keras_sister.data.image_store.ImageStore`.

    Attributes:
        photos: the photos in the view store.
        maps: uint8 array, shape (photos, size, size, 1).
    """

    photos: ViewPairs
    maps: np.ndarray

    @property
    def size(self) -> int:
        """Height and width, in pixels."""
        return self.photos.size

    @property
    def channels(self) -> dict[str, int]:
        """``photo`` has 3 channels, ``classes`` has 1."""
        return {"photo": 3, "classes": 1}

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Read photos or label maps: uint8 array, shape (len(rows), size, size, channels)."""
        return self.photos.photos(rows) if name == "photo" else self.maps[rows]
