"""Open a segmentation dataset: PASCAL VOC, CFPD, or DCSA's layout with a person mask per photo."""

from pathlib import Path

import numpy as np

from keras_sister.data.dataset import Dataset
from keras_sister.data.open import open_dataset
from keras_sister.data.segmentation.cfpd import FILE, is_cfpd, load_cfpd
from keras_sister.data.segmentation.dataset import SegmentationDataset
from keras_sister.data.segmentation.voc import is_voc, load_voc
from keras_sister.errors import InputError
from keras_sister.segmentation.segmenters.mask_folder import MaskFolder

HELD_OUT = 5
"""One photo in this many is held out from a dataset without an official split."""


def open_segmentation_dataset(
    folder: Path, *, masks: Path | None = None, seed: int | None = None
) -> SegmentationDataset:
    """Find photos and their label maps.

    Args:
        folder: in the layout of VOC (`keras_sister.data.segmentation.voc`), CFPD
            (`keras_sister.data.segmentation.cfpd`) or DCSA (`keras_sister.data.dcsa`); or a dataset file.
        masks: for VOC further masks, such as SBD's; else the folder of person masks, ``masks`` in the folder or beside
            the dataset file by default (see `keras_sister.segmentation.segmenters.mask_folder.MaskFolder`).
        seed: random seed of the photos, whole groups of them, that are held out where there is no official split; None
            holds out all, to score a segmenter.

    Raises:
        InputError: if photos or masks are missing.
    """
    if is_voc(folder):
        return load_voc(folder, more_masks=masks)
    if is_cfpd(folder):
        if masks is not None:
            raise InputError(f"{folder}: CFPD has its masks in {FILE}; omit --masks.")
        return load_cfpd(folder)
    beside = folder if folder.is_dir() else folder.parent
    return _with_person_masks(open_dataset(folder), MaskFolder(masks or beside / "masks"), seed)


def _with_person_masks(dataset: Dataset, masks: MaskFolder, seed: int | None) -> SegmentationDataset:
    photos = dataset.photos
    masks.check(photos)
    rows = list(range(len(photos)))
    if seed is not None:
        rows = _drawn(dataset, np.random.default_rng(seed).permutation(len(photos)))
    return SegmentationDataset(
        photos=photos,
        held_out=tuple(rows),
        classes=("background", "person"),
        person=(1,),
        labels=lambda row: (masks.mask(photos[row].stem)[..., 0] >= 0.5).astype(np.uint8),
    )


def _drawn(dataset: Dataset, order: np.ndarray) -> list[int]:
    """One photo in `HELD_OUT`, the first in `order`; with groups, all photos of the groups that come first."""
    wanted = max(1, len(order) // HELD_OUT)
    if dataset.groups is None:
        return order[:wanted].tolist()
    groups, first, sizes = np.unique(dataset.groups[order], return_index=True, return_counts=True)
    by_place = np.argsort(first)
    needed = int(np.searchsorted(np.cumsum(sizes[by_place]), wanted)) + 1
    return np.flatnonzero(np.isin(dataset.groups, groups[by_place[:needed]])).tolist()
