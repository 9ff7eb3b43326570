"""From stored images to batches: one function for training and one for evaluation.

The order of the photos and their augmentation depend on (seed, epoch, row) alone and on no random state. Training that
resumes at epoch 7 therefore sees exactly what uninterrupted training would have seen.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from keras_sister.data.augment import DRAWS, augment, random_draws

Images = dict[str, tf.Tensor]
"""A batch of images by name, uint8 (batch, size, size, channels), such as ``photo`` and ``mask``."""


class ImageStore(Protocol):
    """Images of one size, read by row.

    Attributes:
        size: height and width, in pixels.
        channels: the names of the images of a row, each with its number of channels.
    """

    @property
    def size(self) -> int: ...

    @property
    def channels(self) -> Mapping[str, int]: ...

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Read images: uint8 array, shape (len(rows), size, size, channels)."""


def epoch_order(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """The rows in the order of an epoch, counted from 0."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def training_batches(
    store: ImageStore,
    rows: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    augmented: bool,
    finish: Callable[[Images, tf.Tensor], Images] = lambda images, draws: images,
) -> tf.data.Dataset:
    """Shuffled batches for the epochs from `first_epoch` to `epochs`, one epoch after the other.

    Args:
        store: the images of all photos.
        rows: the photos to train on.
        batch_size: photos per batch; the last batch of an epoch may be smaller.
        seed: random seed of order and augmentation.
        first_epoch: counted from 0.
        epochs: the epoch to stop before; each has ``ceil(len(rows) / batch_size)`` batches.
        augmented: augment the photos (see `keras_sister.data.augment`).
        finish: makes what the batches hold from the images and four random numbers for each, float32 (batch, 4),
            uniform in [−1, 1).

    Returns:
        A dataset of pairs: `Images`, and their rows, int64 (batch,).
    """

    def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(lambda epoch: epoch_order(seed, epoch, rows), [epoch], tf.int64, stateful=False)
        order.set_shape((len(rows),))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size).map(lambda rows: (epoch, rows))

    def read(epoch: tf.Tensor, rows: tf.Tensor) -> tuple[Images, tf.Tensor, tf.Tensor]:
        draws = tf.numpy_function(
            lambda epoch, rows: random_draws(seed, epoch, rows), [epoch, rows], tf.float32, stateful=False
        )
        draws.set_shape((None, DRAWS))
        return _read(store, rows), rows, draws

    def vary(images: Images, rows: tf.Tensor, draws: tf.Tensor) -> tuple[Images, tf.Tensor]:
        return finish(augment(images, draws) if augmented else images, draws[:, 5:]), rows

    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(shuffled)  # a new order for every epoch
        .map(read)
        .map(vary)
        .prefetch(2)
    )


def evaluation_batches(store: ImageStore, rows: np.ndarray, *, batch_size: int) -> tf.data.Dataset:
    """Batches of `rows` in their order, without augmentation.

    Returns:
        A dataset of pairs: `Images`, and their rows, int64 (batch,).
    """
    return (
        tf.data.Dataset.from_tensor_slices(np.asarray(rows, np.int64))
        .batch(batch_size)
        .map(lambda rows: (_read(store, rows), rows))
        .prefetch(2)
    )


def _read(store: ImageStore, rows: tf.Tensor) -> Images:
    """Copy a batch out of the memory-mapped store."""
    images = {}
    for name, channels in store.channels.items():
        images[name] = tf.numpy_function(
            lambda rows, name=name: store.read(name, rows), [rows], tf.uint8, stateful=False
        )
        images[name].set_shape((None, store.size, store.size, channels))
    return images
