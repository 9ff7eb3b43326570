"""Answers of a SavedModel in a process that has TensorFlow and neither Keras nor this package, as a server has.

    python clean_process.py SAVED_MODEL VIEWS.npz ANSWERS.npz PHOTO…

Run by its path, never imported. ``VIEWS.npz`` holds the inputs of the signature ``views`` for all photos;
``ANSWERS.npz`` will hold every output of every signature, as ``<signature>/<output>``.
"""

import sys


def main(folder: str, views: str, answers: str, *photos: str) -> None:
    """Put the photos through every signature."""
    for package in ("keras", "tf_keras", "keras_sister"):
        sys.modules[package] = None  # type: ignore[assignment]  # from here on importing it fails
    import numpy as np
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures
    contents = [tf.io.read_file(photo) for photo in photos]
    images = [tf.io.decode_jpeg(photo, channels=3, dct_method="INTEGER_ACCURATE") for photo in contents]
    one_by_one = [signatures["images"](images=image[tf.newaxis]) for image in images]
    found = {
        "serving_default": signatures["serving_default"](image_bytes=tf.stack(contents)),
        "images": {name: tf.concat([outputs[name] for outputs in one_by_one], axis=0) for name in one_by_one[0]},
        "views": signatures["views"](**{view: tf.constant(array) for view, array in np.load(views).items()}),
    }
    np.savez(answers, **{f"{sig}/{name}": out.numpy() for sig, outputs in found.items() for name, out in outputs.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
