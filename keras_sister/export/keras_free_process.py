"""Run a SavedModel in a process with TensorFlow but without Keras and this package, as a server does.

    python keras_free_process.py SAVED_MODEL VIEWS.npz OUTPUTS.npz PHOTO…

Run by its path, never imported. ``VIEWS.npz`` contains the inputs of the signature ``views`` for all photos;
``OUTPUTS.npz`` receives every output for all photos, as ``<signature>/<output>``. Masks have the size of their photo
and are stored one by one, as ``segment/mask/<row>``; large photos are subsampled to keep them small.
"""

import collections
import pathlib
import sys


def main(folder: str, views: str, outputs: str, *photos: str) -> None:
    """Run the photos through every signature, one by one."""
    for package in ("keras", "tf_keras", "keras_sister"):
        sys.modules[package] = None  # type: ignore[assignment]  # importing it now fails
    import numpy as np
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures
    views_of_all = dict(np.load(views))
    found = collections.defaultdict(list)
    for row, photo in enumerate(photos):
        contents = tf.constant(pathlib.Path(photo).read_bytes())
        image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
        inputs = {
            "serving_default": {"image_bytes": contents[tf.newaxis]},
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
    main(*sys.argv[1:])
