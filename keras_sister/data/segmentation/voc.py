"""PASCAL VOC 2012, segmentation (Everingham et al., IJCV 2015), and the further masks of SBD.

    JPEGImages/2007_000032.jpg …
    SegmentationClass/2007_000032.png …     palette PNGs: the index is the class, 255 is void
    ImageSets/Segmentation/train.txt, val.txt
    SegmentationClassAug/…                  optional: SBD's masks as PNGs

SBD is the Semantic Boundaries Dataset (Hariharan et al., ICCV 2011): VOC's photos with more masks, ``cls/NAME.mat``.
All of them that are not in val.txt are used for training: the 10,582 photos known as *train_aug*.
"""

from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from keras_sister.data.segmentation.classes import VOC
from keras_sister.data.segmentation.dataset import SegmentationDataset, check_label_map
from keras_sister.errors import InputError, reason_of
from keras_sister.mask_files import check_mask_size
from keras_sister.storage.reader_process import read_apart
from keras_sister.storage.regular_files import check_regular
from keras_sister.storage.text_files import read_text

_MAX_BYTES = 10_000_000  # of a list of names


def is_voc(folder: Path) -> bool:
    """Whether a folder has VOC's layout."""
    return (folder / "ImageSets" / "Segmentation").is_dir()


def load_voc(folder: Path, *, more_masks: Path | None = None) -> SegmentationDataset:
    """Find the photos of VOC and their masks; train.txt is for training, val.txt is held out.

    Args:
        folder: ``VOC2012``.
        more_masks: a folder of further masks for photos in ``JPEGImages``: SBD's ``cls``, or PNGs. By default
            ``SegmentationClassAug``, if it exists. Where VOC has a mask, VOC's is used.

    Raises:
        InputError: if a list, a photo or a mask is missing.

    Example:
        >>> load_voc(Path("VOCdevkit/VOC2012")).classes[15]
        'person'
    """
    train, held_out = (_names(folder / "ImageSets" / "Segmentation" / f"{split}.txt") for split in ("train", "val"))
    masks = {name: folder / "SegmentationClass" / f"{name}.png" for name in [*train, *held_out]}
    if more_masks is None and (folder / "SegmentationClassAug").is_dir():
        more_masks = folder / "SegmentationClassAug"
    if more_masks is not None:
        masks = _masks_in(more_masks) | masks
    names = sorted(masks)
    photos = tuple(folder / "JPEGImages" / f"{name}.jpg" for name in names)
    for file in (*photos, *masks.values()):
        if not file.is_file():
            raise InputError(f"{file}: missing, but listed in {folder}.")
    apart = set(held_out)
    return SegmentationDataset(
        photos=photos,
        held_out=tuple(row for row, name in enumerate(names) if name in apart),
        classes=VOC,
        person=(VOC.index("person"),),
        labels=lambda row: _labels(masks[names[row]], photos[row]),
    )


def _labels(file: Path, photo: Path) -> np.ndarray:
    labels = read_mask(file)
    check_mask_size(file, (labels.shape[1], labels.shape[0]), photo)
    return labels


def read_mask(file: Path) -> np.ndarray:
    """Read a mask of VOC (PNG) or SBD (MAT): uint8 array of classes, shape (height, width).

    Raises:
        InputError: if the file cannot be read, or holds colours instead of classes.
    """
    check_regular(file)
    try:
        if file.suffix.lower() == ".mat":
            labels = read_apart(read_sbd_mask, file)["Segmentation"]
        else:
            with Image.open(file, formats=["PNG"]) as image:
                if image.mode not in ("P", "L"):
                    raise InputError(
                        f"{file}: an image of mode {image.mode}; expected a palette PNG whose index is the class."
                    )
                labels = np.asarray(image)
    except InputError:
        raise
    except Exception as error:
        # Pillow raises OSError, SyntaxError, struct.error and others for broken files.
        raise InputError(f"{file}: not a readable mask: {reason_of(error)}") from error
    return check_label_map(np.asarray(labels), len(VOC), str(file))


def read_sbd_mask(file: Path) -> dict[str, np.ndarray]:
    """Read the class map of a file of SBD; for `keras_sister.storage.reader_process.read_apart`."""
    try:
        labels = scipy.io.loadmat(file, variable_names=["GTcls"], appendmat=False)["GTcls"]["Segmentation"][0, 0]
        return {"Segmentation": np.asarray(labels, np.int64)}
    except Exception as error:
        # SciPy raises MatReadError, zlib.error and others for broken files.
        raise InputError(f"{file}: not a readable mask: {reason_of(error)}") from error


def _names(file: Path) -> list[str]:
    return read_text(file, max_bytes=_MAX_BYTES).split()


def _masks_in(folder: Path) -> dict[str, Path]:
    masks = {file.stem: file for file in sorted(folder.glob("[!.]*")) if file.suffix.lower() in (".png", ".mat")}
    if not masks:
        raise InputError(f"{folder}: no masks; expected SBD's NAME.mat, or NAME.png.")
    return masks
