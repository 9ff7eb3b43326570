"""Open a segmentation dataset: PASCAL VOC, CFPD, or DCSA's layout with a person mask per photo."""

from pathlib import Path

import numpy as np

from keras_sister.data.dcsa import load_dcsa
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
            (`keras_sister.data.segmentation.cfpd`) or DCSA (`keras_sister.data.dcsa`).
        masks: for VOC further masks, such as SBD's; for DCSA the folder of person masks, ``folder/masks`` by default
            (see `keras_sister.segmentation.segmenters.mask_folder.MaskFolder`).
        seed: random seed of the photos that are held out from DCSA's layout; None holds out all, to score a segmenter.

    Raises:
        InputError: if photos or masks are missing.
    """
    if is_voc(folder):
        return load_voc(folder, more_masks=masks)
    if is_cfpd(folder):
        if masks is not None:
            raise InputError(f"{folder}: CFPD has its masks in {FILE}; omit --masks.")
        return load_cfpd(folder)
    return _with_person_masks(load_dcsa(folder).photos, MaskFolder(masks or folder / "masks"), seed)


def _with_person_masks(photos: tuple[Path, ...], masks: MaskFolder, seed: int | None) -> SegmentationDataset:
    masks.check(photos)
    rows = range(len(photos))
    if seed is not None:
        rows = np.random.default_rng(seed).permutation(len(photos))[: max(1, len(photos) // HELD_OUT)].tolist()
    return SegmentationDataset(
        photos=tuple(photos),
        held_out=tuple(rows),
        classes=("background", "person"),
        person=(1,),
        labels=lambda row: (masks.mask(photos[row].stem)[..., 0] >= 0.5).astype(np.uint8),
    )
