"""Person masks that were made elsewhere, one PNG a photo."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError


class MaskFolder:
    """A segmenter that looks masks up instead of finding the person.

    The mask of ``000001.jpg`` is ``FOLDER/000001.png``: of any size and kind (grey, palette, colour, 1 bit), white or
    255 where the person is, black or 0 elsewhere, greys in between for soft edges. Masks with no value above 1 are
    taken as 0 and 1.

    Args:
        folder: of the masks.

    Attributes:
        size: None: masks come in the size of the images.
        fingerprint: of all names and contents in the folder.

    Raises:
        InputError: if there is no such folder, or no PNG in it.

    Example:
        >>> MaskFolder("street/masks")(images, tf.constant(["000001", "000002"])).shape
        TensorShape([2, 224, 224, 1])
    """

    size: int | None = None

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"{folder}: no such folder of masks.")
        files = sorted(self.folder.glob("[!.]*.png"))
        if not files:
            raise InputError(f"{folder}: no masks; the mask of 000001.jpg is called 000001.png.")
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
        self.fingerprint = f"masks:{digest.hexdigest()}"
        self._names = {file.stem for file in files}

    def check(self, names: Sequence[str]) -> None:
        """Make sure that every photo has its mask, and that it can be read.

        Raises:
            InputError: naming the first for which this is not so.
        """
        missing = [name for name in names if name not in self._names]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise InputError(f"{self.folder / f'{missing[0]}.png'}: missing{more}; every photo needs its mask.")
        for name in names:  # TensorFlow's own message would not name the file
            file = self.folder / f"{name}.png"
            try:
                with Image.open(file, formats=["PNG", "JPEG"]) as image:
                    image.verify()
            except Exception as error:
                # Pillow raises OSError, SyntaxError, struct.error, … for broken files.
                raise InputError(f"{file}: not a readable mask; it must be a whole PNG.") from error

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """The masks of `names`, at the size of `images`; see `keras_sister.segmenter.Segmenter`."""
        if names is None:
            raise InputError(
                f"masks:{self.folder} holds no masks of new photos. Train a segmenter with 'sister-keras segment train"
                " DIR --out FCN' and give --segmenter FCN."
            )
        height, width = images.shape[1], images.shape[2]

        def read(name: tf.Tensor) -> tf.Tensor:
            file = tf.strings.join([str(self.folder), "/", name, ".png"])
            mask = tf.cast(tf.io.decode_png(tf.io.read_file(file), channels=1), tf.float32)
            mask /= tf.where(tf.reduce_max(mask) > 1, 255.0, 1.0)
            return tf.image.resize(mask, (height, width), antialias=True)

        return tf.map_fn(read, names, fn_output_signature=tf.TensorSpec((height, width, 1), tf.float32))
