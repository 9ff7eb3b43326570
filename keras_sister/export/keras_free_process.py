"""Run a SavedModel in a process with TensorFlow but without Keras and this package, as a server does.

    python keras_free_process.py SAVED_MODEL VIEWS.npz OUTPUTS.npz PHOTO…

Run by its path; only `decode_photo` is imported elsewhere. ``VIEWS.npz`` contains the inputs of the signature
``views`` for all photos; ``OUTPUTS.npz`` receives every output for all photos, as ``<signature>/<output>``. Masks have
the size of their photo and are stored one by one, as ``segment/mask/<row>``; large photos are subsampled to keep them
small.
"""

import collections
import contextlib
import gc
import io
import pathlib
import sys
import warnings
from typing import Any

_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
"""How Pillow turns photos of the EXIF orientations 2 to 8."""


def decode_photo(contents: bytes) -> tuple[Any, Any]:
    """Decode a photo without the code that is inside the export: orientation and transparency are Pillow's.

    Returns:
        The pixels as stored, uint8 array, shape (height, width, 3), and a function that turns such an array upright.

    Raises:
        OSError: for a file that is no photo.
        tf.errors.InvalidArgumentError: for a damaged one.
    """
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    with warnings.catch_warnings(), Image.open(io.BytesIO(contents)) as image:
        warnings.simplefilter("ignore")  # of damaged EXIF data
        exif, orientation = Image.Exif(), 1
        if image.format == "PNG":
            with contextlib.suppress(Exception):  # damaged pixels are left to TensorFlow
                image.load()  # the EXIF data may be behind them
        with contextlib.suppress(Exception):  # Pillow raises any kind for damaged EXIF data
            exif.load(image.info.get("exif", b""))  # image.getexif() would also take an orientation from XMP
            found = exif.get(0x0112, 1)
            orientation = found if type(found) is int else 1  # fractions are as damaged as 9 is
        turns = (None, *(getattr(Image.Transpose, name) for name in _TURNS))
        method = dict(enumerate(turns, start=1)).get(orientation)
        if image.format in ("JPEG", "MPO"):
            pixels = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        else:
            is_png = image.format == "PNG"  # Pillow misreads the transparency of 16-bit PNGs
            rgba = tf.io.decode_png(contents, channels=4).numpy() if is_png else np.asarray(image.convert("RGBA"))
            white = Image.new("RGBA", image.size, "white")
            pixels = np.asarray(Image.alpha_composite(white, Image.fromarray(rgba)).convert("RGB"))

    def turn(array: Any) -> Any:
        return array if method is None else np.asarray(Image.fromarray(array).transpose(method))

    return pixels, turn


def run(folder: str, views: str, outputs: str, *photos: str) -> None:
    """Run the photos through every signature, one by one."""
    import numpy as np
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures
    views_of_all = dict(np.load(views))
    found = collections.defaultdict(list)
    for row, photo in enumerate(photos):
        contents = pathlib.Path(photo).read_bytes()
        pixels, turn = decode_photo(contents)
        image = tf.constant(turn(pixels))
        inputs = {
            "serving_default": {"image_bytes": tf.constant([contents])},
            "images": {"images": image[tf.newaxis]},
            "views": {view: tf.constant(array[row : row + 1]) for view, array in views_of_all.items()},
        }
        for signature, tensors in inputs.items():
            for output, values in signatures[signature](**tensors).items():
                array = values.numpy()  # strings are objects, which could not be loaded without pickle
                found[f"{signature}/{output}"].append(array.astype("S") if array.dtype == object else array)
        if "segment" in signatures:
            step = 1 + max(image.shape) // 512
            mask = signatures["segment"](images=image[tf.newaxis, ::step, ::step])["mask"]
            found[f"segment/mask/{row}"].append(mask.numpy())
    arrays = {name: np.concatenate(rows) for name, rows in found.items()}
    np.savez(outputs, **arrays)  # type: ignore[arg-type]  # the stubs take any name for `allow_pickle`


if __name__ == "__main__":
    gc.disable()  # collecting the modules of TensorFlow, of which none is garbage, takes a third of a short process
    for package in ("keras", "tf_keras", "keras_sister", "jax"):  # TensorFlow imports JAX for nothing, for a second
        sys.modules[package] = None  # type: ignore[assignment]  # importing it now fails
    run(*sys.argv[1:])
    gc.freeze()  # nor at the end
