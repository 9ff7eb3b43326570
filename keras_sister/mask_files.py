"""Mask files: which they are, and whether a mask can be that of a photo, upright by its EXIF orientation."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from keras_sister.errors import InputError
from keras_sister.photo_kinds import exif_orientation

_QUARTER_TURNS = (5, 6, 7, 8)


def find_mask_files(folder: Path) -> list[Path]:
    """The PNGs and NumPy arrays in a folder, sorted; names with a leading dot are skipped."""
    return sorted(file for file in folder.glob("[!.]*") if file.suffix.lower() in (".png", ".npy"))


def two_of_one_photo(files: Iterable[Path]) -> dict[str, tuple[Path, Path]]:
    """The names of photos that have more than one mask among these files, each with two of them."""
    found: dict[str, Path] = {}
    twice = {}
    for file in files:
        if file.stem in found:
            twice[file.stem] = (found[file.stem], file)
        found[file.stem] = file
    return twice


def check_mask_size(place: str | Path, mask: tuple[int, int], photo: Path) -> None:
    """Refuse a mask that is neither as large as the photo nor the photo's shape made larger or smaller.

    Args:
        place: the file of the mask or label map, for the error.
        mask: its width and height.
        photo: the photo. One that cannot be read is left to what decodes it, which says so.

    Raises:
        InputError: naming both sizes, upright, and what EXIF has to do with it.
    """
    if not photo.is_file():  # opening a named pipe waits forever
        return
    try:
        with warnings.catch_warnings(), Image.open(photo) as image:
            warnings.simplefilter("ignore")  # of size; what decodes the photo has its own limit
            stored, turned = image.size, exif_orientation(image) in _QUARTER_TURNS
    except Exception:  # Pillow raises any kind
        return
    upright = stored[::-1] if turned else stored
    if _same_shape(mask, upright):
        return
    message = f"{place}: the mask is {_by(mask)} pixels and {photo.name} is {_by(upright)}"
    if turned and _same_shape(mask, stored):
        raise InputError(
            f"{message} once its EXIF orientation turns it; the mask is that of the photo as stored. Turn it."
        )
    exif = " (upright, by its EXIF orientation)" if turned else ", without an EXIF orientation that turns it"
    raise InputError(f"{message}{exif}; a mask has the aspect ratio of its photo.")


def _same_shape(mask: tuple[int, int], photo: tuple[int, int]) -> bool:
    """Whether one scale, rounded, makes both sides of the mask of those of the photo."""
    lowest = max((m - 1) / p for m, p in zip(mask, photo, strict=True))
    highest = min((m + 1) / p for m, p in zip(mask, photo, strict=True))
    return lowest < highest


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
