"""VOC 2012 and CFPD as folders, made of drawn street photos, in the layouts of the originals."""

import functools
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from keras_sister.street.photo import draw_photo

CFPD_NAMES = [
    "bk",
    "T-shirt",
    "bag",
    "belt",
    "blazer",
    "blouse",
    "coat",
    "dress",
    "face",
    "hair",
    "hat",
    "jeans",
    "legging",
    "pants",
    "scarf",
    "shoe",
    "shorts",
    "skin",
    "skirt",
    "socks",
    "stocking",
    "sunglass",
    "sweater",
]
FACE, SHIRT, PANTS = (CFPD_NAMES.index(name) for name in ("face", "T-shirt", "pants"))


def write_voc(folder: Path, *, train: int, val: int, size: int = 64) -> None:
    """Persons are class 15, in a rim of void; the left edge of the photo is class 9, a chair, where nobody stands."""
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    names = [f"2007_{i:06d}" for i in range(train + val)]
    for i, name in enumerate(names):
        photo, person = _street(i, size)
        photo[:, :8] = (200, 30, 200)
        classes = np.where(person, 15, 0).astype(np.uint8)
        classes[binary_dilation(person) & ~binary_erosion(person)] = 255
        classes[:, :8] = 9
        Image.fromarray(photo).save(folder / "JPEGImages" / f"{name}.jpg", quality=95)
        mask = Image.fromarray(classes, "P")
        mask.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
        mask.save(folder / "SegmentationClass" / f"{name}.png")
    lists = folder / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("\n".join(names[:train]) + "\n")
    (lists / "val.txt").write_text("\n".join(names[train:]) + "\n")


def write_sbd_mask(file: Path, classes: np.ndarray) -> None:
    """A mask as SBD has them: a struct in a struct array of one."""
    scipy.io.savemat(file, {"GTcls": {"Segmentation": classes, "CategoriesPresent": np.unique(classes)}})


def write_cfpd(folder: Path, *, photos: int, size: int = 64) -> list[np.ndarray]:
    """Super-pixels are squares of 4 pixels, cut by the person's outline; returns the classes of every pixel."""
    (folder / "image").mkdir(parents=True)
    truth = []
    with h5py.File(folder / "fashon_parsing_data.mat", "w", userblock_size=512) as file:
        cells = []
        for i in range(photos):
            photo, person = _street(i, size)
            name = f"{i + 1}.jpg"
            Image.fromarray(photo).save(folder / "image" / name, quality=95)
            superpixels, of_superpixels = _superpixels(person)
            truth.append(of_superpixels[superpixels])
            cell = file.create_group(f"#refs#/cell{i}")
            cell["img_name"] = np.array([[ord(letter)] for letter in name], np.uint16)
            cell["segmentation"] = superpixels.T.astype(np.float64)
            cell["category_label"] = of_superpixels[None].astype(np.float64) + 1
            cell["color_label"] = np.ones((1, len(of_superpixels)))
            cells.append(cell.ref)
        file["fashion_dataset"] = np.array(cells, h5py.ref_dtype)[:, None]
    return truth


def _superpixels(person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = person.shape
    squares = np.arange(height)[:, None] // 4 * 1000 + np.arange(width) // 4
    _, superpixels = np.unique(squares * 2 + person, return_inverse=True)
    superpixels = superpixels.reshape(person.shape)
    rows = np.flatnonzero(person.any(axis=1))
    top, bottom = rows[0], rows[-1] + 1
    part = np.select(
        [np.arange(height) < top + (bottom - top) * 0.2, np.arange(height) < top + (bottom - top) * 0.7],
        [FACE, SHIRT],
        PANTS,
    )[:, None] * np.ones((1, width), int)
    # The part of a super-pixel is that of its first pixel.
    first = np.unique(superpixels, return_index=True)[1]
    return superpixels, np.where(person, part, 0).ravel()[first]


def _street(index: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    photo, person = _drawn(index, size)
    return photo.copy(), person.copy()


@functools.cache  # drawing takes a fifth of the tests that train on these photos
def _drawn(index: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    street = draw_photo(seed=5, index=index)
    height, width = round(size * 1.25), size
    photo = Image.fromarray(street.photo).resize((width, height), Image.Resampling.LANCZOS)
    mask = Image.fromarray(street.mask).resize((width, height), Image.Resampling.BOX)
    return np.array(photo), np.asarray(mask) >= 128
