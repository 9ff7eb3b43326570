"""Person masks from files: one PNG or NumPy array per photo."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.mask_files import check_mask_size, find_mask_files, two_of_one_photo

_EXPECTED = "expected a PNG, or a NumPy array of numbers from 0 to 1, 255 or 65535"
_FEW_VALUES = 32
"""A map of class numbers has at most as many, a mask with soft edges usually more."""
_ROUNDING = 1e-3
"""How far a resized mask of floats may leave [0, 1]."""


class MaskFolder:
    """A segmenter that reads each photo's mask from a folder.

    The mask of ``000001.jpg`` is ``FOLDER/000001.png``, of any size with the aspect ratio of the upright photo and of
    any kind that shows greys (grey, palette, colour, 1 or 16 bits), or ``FOLDER/000001.npy``, an array (height, width):
    white, or the highest value of 8 or 16 bits, for person; black or 0 for background; greys for soft edges. A mask
    without values above 1 is taken to range from 0 to 1.

    Args:
        folder: the folder of masks.
        person: the files hold class numbers (of a PNG with a palette, its indices), of which this one is the person.

    Attributes:
        size: None: masks are resized to the images.
        fingerprint: hash of all names and contents in the folder.

    Raises:
        InputError: if the folder does not exist or holds no masks.

    Example:
        >>> MaskFolder("street/masks")(images, tf.constant(["000001", "000002"])).shape
        TensorShape([2, 224, 224, 1])
    """

    size: int | None = None

    def __init__(self, folder: str | Path, *, person: int | None = None) -> None:
        self.folder, self.person = Path(folder), person
        if not self.folder.is_dir():
            raise InputError(f"{folder}: no such folder of masks.")
        files = [file for file in find_mask_files(self.folder) if file.is_file()]
        if not files:
            raise InputError(f"{folder}: no masks; the mask of 000001.jpg is 000001.png or 000001.npy.")
        digest = hashlib.sha256()
        for file in files:
            digest.update(os.fsencode(file.name) + hashlib.sha256(file.read_bytes()).digest())
        self.fingerprint = f"masks:{digest.hexdigest()}" + ("" if person is None else f"#person={person}")
        self._names = {file.stem: file.name for file in files}
        self._twice = two_of_one_photo(files)

    def __repr__(self) -> str:
        return f"MaskFolder({str(self.folder)!r}, {len(self._names)} masks)"

    def folded(self) -> "MaskFolder":
        """There is no network to fold."""
        return self

    def check(self, photos: Sequence[Path]) -> None:
        """Check that every photo has a readable mask of its own aspect ratio.

        Raises:
            InputError: naming the first mask that is missing, not readable, that of two photos, one of two for a photo,
                coloured, transparent, a map of class numbers, or of another aspect ratio than the upright photo, more
                than rounding explains.
        """
        twice = [name for name, count in Counter(photo.stem for photo in photos).items() if count > 1]
        if twice:
            raise InputError(
                f"{self.folder}: {twice[0]}.png is the mask of two photos of that name; rename one of them."
            )
        for photo in photos:
            if photo.stem in self._twice:
                names = " and ".join(file.name for file in self._twice[photo.stem])
                raise InputError(f"{self.folder}: {names} are masks of one photo; remove one of them.")
        missing = [photo.stem for photo in photos if photo.stem not in self._names]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise InputError(f"{self.folder / f'{missing[0]}.png'}: missing{more}; every photo needs its mask.")
        for photo in photos:
            file = self.folder / self._names[photo.stem]
            try:
                values = _values(file, numbers=self.person is not None)
                mask = self._mask(values)
            except InputError:
                raise
            except Exception as error:
                # Pillow raises OSError, SyntaxError, struct.error and others for broken files, NumPy ValueError.
                raise InputError(f"{file}: not a readable mask; {_EXPECTED}.") from error
            if self.person is None:
                _refuse_class_numbers(file, values)
            check_mask_size(file, (mask.shape[1], mask.shape[0]), photo)

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """Look up the masks of `names`, at the size of `images`; see `keras_sister.segmenter.Segmenter`."""
        if names is None:
            raise InputError(
                f"masks:{self.folder} has no masks for new photos. Train a segmenter with 'sister-keras segment train"
                " DIR --out FCN' and give --segmenter FCN."
            )
        height, width = images.shape[1], images.shape[2]

        def read(name: tf.Tensor) -> tf.Tensor:
            mask = tf.numpy_function(self._look_up, [name], tf.float32)
            mask.set_shape((None, None, 1))
            return tf.image.resize(mask, (height, width), antialias=True)

        return tf.map_fn(read, names, fn_output_signature=tf.TensorSpec((height, width, 1), tf.float32))

    def mask(self, name: str) -> np.ndarray:
        """A photo's mask at its own size: float32 array, shape (height, width, 1), in [0, 1]. Call `check` first."""
        return self._mask(_values(self.folder / self._names[name], numbers=self.person is not None))

    def _mask(self, values: np.ndarray) -> np.ndarray:
        if self.person is None:
            return _probabilities(values)
        return (values == self.person).astype(np.float32).reshape(*values.shape[:2], 1)

    def _look_up(self, name: Any) -> np.ndarray:
        return self.mask(os.fsdecode(np.asarray(name).item()))  # bytes in a graph, an array in eager mode


def open_mask_folder(place: str) -> MaskFolder:
    """Open ``FOLDER`` or ``FOLDER#person=NUMBER``.

    Raises:
        InputError: for another option, and as `MaskFolder` does.
    """
    folder, hash_sign, option = place.partition("#")
    if not hash_sign or Path(place).is_dir():
        return MaskFolder(place)
    name, _, number = option.partition("=")
    if name != "person" or not number.isdecimal():
        raise InputError(f"masks:{place}: expected masks:FOLDER or masks:FOLDER#person=NUMBER.")
    return MaskFolder(folder, person=int(number))


def _values(file: Path, *, numbers: bool) -> np.ndarray:
    """What a file holds, (height, width) or (height, width, 1): greys, or class numbers.

    Raises:
        InputError: for a picture of colours, or one that is transparent in places.
        ValueError: for an array of anything but numbers.
    """
    if file.suffix.lower() == ".npy":
        values = np.load(file, allow_pickle=False)
        if values.dtype.kind not in "biuf":
            raise ValueError(values.dtype)
        return values
    with Image.open(file, formats=["PNG"]) as image:
        if image.mode in ("1", "L") or image.mode.startswith("I") or (numbers and image.mode == "P"):
            return np.asarray(image)
        *colours, alpha = np.moveaxis(np.asarray(image.convert("RGBA")), 2, 0)
    if (alpha < 255).any():
        raise InputError(f"{file}: transparent in places; a mask is white where the person is, and black elsewhere.")
    if any((colour != colours[0]).any() for colour in colours):
        raise InputError(
            f"{file}: has colours; a mask is white where the person is, and black elsewhere. For a PNG whose palette is"
            f" of class numbers, name the person's: masks:{file.parent}#person=NUMBER."
        )
    return colours[0]


def _probabilities(values: np.ndarray) -> np.ndarray:
    """A mask as float32 (height, width, 1) in [0, 1]; one below 2 ranges from 0 to 1 already."""
    height, width = values.shape[:2]
    mask = values.reshape(height, width, 1).astype(np.float32)  # fails for more than one channel
    highest = mask.max()
    if not (mask.min() >= -_ROUNDING and highest <= 65535):  # true of NaN too
        raise ValueError(f"numbers from {mask.min()} to {highest}")
    return np.clip(mask / (1 if highest < 2 else 255 if highest <= 255 else 65535), 0, 1)


def _refuse_class_numbers(file: Path, values: np.ndarray) -> None:
    """Refuse few different values that fill areas between black and white: no soft edge does.

    A mask of one value says the same of every pixel, such as that nobody was found.
    """
    values = values.reshape(values.shape[:2])
    # Counting is some twenty times as fast as sorting, and every mask of a dataset is checked.
    found = np.flatnonzero(np.bincount(values.ravel())) if values.dtype == np.uint8 else np.unique(values)
    if not 1 < len(found) <= _FEW_VALUES or (found != np.round(found)).any():
        return
    between = (values > 1) & (values < (255 if found.max() <= 255 else 65535))
    corner = values[:-1, :-1]
    same = (corner == values[1:, :-1]) & (corner == values[:-1, 1:]) & (corner == values[1:, 1:])
    if (between[:-1, :-1] & same).sum() * 2 > between.sum():
        some = ", ".join(f"{value:g}" for value in found[:6]) + (", …" if len(found) > 6 else "")
        raise InputError(
            f"{file}: areas of the values {some} look like class numbers; name the person's:"
            f" masks:{file.parent}#person=NUMBER. A mask is white where the person is, and black elsewhere."
        )
