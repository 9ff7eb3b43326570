"""Which segmentation data a folder holds: PASCAL VOC, CFPD, or photos in DCSA's layout with a mask for each."""

from pathlib import Path

import numpy as np

from keras_sister.data import cfpd, dcsa, voc
from keras_sister.data.pixels import PixelDataset
from keras_sister.errors import InputError
from keras_sister.segmentation.masks import MaskFolder

HELD_OUT = 5
"""Of data without a split of its own, one photo in so many is held out."""


def open_pixels(folder: Path, *, masks: Path | None = None, seed: int | None = None) -> PixelDataset:
    """Find photos and the classes of their pixels.

    Args:
        folder: in the layout of VOC (see `keras_sister.data.voc`), CFPD (`keras_sister.data.cfpd`) or DCSA
            (`keras_sister.data.dcsa`).
        masks: for VOC further masks, such as SBD's; for DCSA the folder of person masks, ``folder/masks`` by default
            (see `keras_sister.segmentation.masks.MaskFolder`).
        seed: of the photos that are held out of DCSA's layout; None holds out all of them, to score a segmenter.

    Raises:
        InputError: if photos or masks are missing.
    """
    if voc.is_voc(folder):
        return voc.load(folder, more_masks=masks)
    if cfpd.is_cfpd(folder):
        if masks is not None:
            raise InputError(f"{folder}: CFPD, which has its masks in {cfpd.FILE}; leave --masks out.")
        return cfpd.load(folder)
    return _with_person_masks(dcsa.load(folder).photos, MaskFolder(masks or folder / "masks"), seed)


def _with_person_masks(photos: tuple[Path, ...], masks: MaskFolder, seed: int | None) -> PixelDataset:
    masks.check([photo.stem for photo in photos])
    rows = range(len(photos))
    if seed is not None:
        rows = np.random.default_rng(seed).permutation(len(photos))[: max(1, len(photos) // HELD_OUT)].tolist()
    return PixelDataset(
        photos=tuple(photos),
        held_out=tuple(rows),
        classes=("background", "person"),
        person=(1,),
        labels=lambda row: (masks.mask(photos[row].stem)[..., 0] >= 0.5).astype(np.uint8),
    )
