"""From stored images to batches, on the backend that Keras runs on: one function for training and one for evaluation.

The order of the photos and their augmentation depend on (seed, epoch, row) alone, see `keras_sister.data.chance`, and
the batches are the same on every backend.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_sister.data.image_store import Images, ImageStore

if keras.backend.backend() == "tensorflow":
    from keras_sister.data import pipeline as _of_backend
else:
    from keras_sister.data import py_batches as _of_backend  # type: ignore[no-redef]


def training_batches(
    store: ImageStore,
    rows: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    augmented: bool,
    finish: Callable[[Images, Any, Any], Any] = lambda images, rows, draws: (images, rows),
) -> Any:
    """Shuffled batches for the epochs from `first_epoch` to `epochs`, one epoch after the other.

    Args:
        store: the images of all photos.
        rows: the photos to train on.
        batch_size: photos per batch; the last batch of an epoch may be smaller.
        seed: random seed of order and augmentation.
        first_epoch: counted from 0.
        epochs: the epoch to stop before; each has ``ceil(len(rows) / batch_size)`` batches.
        augmented: augment the photos (see `keras_sister.data.augment`).
        finish: makes a batch from its images, their rows, int64 (batch,), and four random numbers for each, float32
            (batch, 4), uniform in [−1, 1). It may run in a graph of the backend, or in another thread.

    Returns:
        A ``tf.data.Dataset`` or a ``keras.utils.PyDataset``.
    """
    return _of_backend.training_batches(
        store,
        rows,
        batch_size=batch_size,
        seed=seed,
        first_epoch=first_epoch,
        epochs=epochs,
        augmented=augmented,
        finish=finish,
    )


def evaluation_batches(
    store: ImageStore,
    rows: np.ndarray,
    *,
    batch_size: int,
    finish: Callable[[Images, Any], Any] = lambda images, rows: (images, rows),
) -> Any:
    """Batches of `rows` in their order, without augmentation.

    Args:
        store: the images of all photos.
        rows: the photos.
        batch_size: photos per batch; the last batch may be smaller.
        finish: makes a batch from its images and their rows, int64 (batch,). It may run in a graph of the backend, or
            in another thread.

    Returns:
        A ``tf.data.Dataset`` or a ``keras.utils.PyDataset``.
    """
    return _of_backend.evaluation_batches(store, rows, batch_size=batch_size, finish=finish)
