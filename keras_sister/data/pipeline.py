"""From the view store to batches: one function for training, one for evaluation, one stage a line.

The order of the photos and their augmentation depend on (seed, epoch, row) alone, never on a random state that is
carried along, so that training which resumes at epoch 7 sees what uninterrupted training would have seen.
"""

import numpy as np
import tensorflow as tf

from keras_sister.data.augment import augment, draw
from keras_sister.data.views import Views

ViewPairs = dict[str, tf.Tensor]
"""``photo`` uint8 (batch, size, size, 3), RGB; and, where there are masks, ``mask`` uint8 (batch, size, size, 1)."""


def training_batches(
    views: Views,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    batch: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    augmented: bool,
) -> tf.data.Dataset:
    """Shuffled batches of the epochs from `first_epoch` to `epochs`, one epoch after the other.

    Args:
        views: of all photos.
        labels: int8 array, shape (len(views), attributes).
        rows: the photos to train on.
        batch: photos a batch; the last batch of an epoch holds what is left.
        seed: of order and augmentation.
        first_epoch: counted from 0.
        epochs: the epoch to stop before; each has ``ceil(len(rows) / batch)`` batches.
        augmented: vary the photos at random (see `keras_sister.data.augment`).

    Returns:
        A dataset of pairs: `ViewPairs`, and the labels, int8 (batch, attributes).
    """

    def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(
            lambda epoch: np.random.default_rng([seed, epoch]).permutation(rows), [epoch], tf.int64, stateful=False
        )
        order.set_shape((len(rows),))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch).map(lambda rows: (epoch, rows))

    def read(epoch: tf.Tensor, rows: tf.Tensor) -> tuple[ViewPairs, tf.Tensor, tf.Tensor]:
        draws = tf.numpy_function(
            lambda epoch, rows: draw(seed, epoch, rows), [epoch, rows], tf.float32, stateful=False
        )
        draws.set_shape((None, 5))
        return _gather(views, rows), tf.gather(labels, rows), draws

    def vary(pairs: ViewPairs, labels: tf.Tensor, draws: tf.Tensor) -> tuple[ViewPairs, tf.Tensor]:
        return (augment(pairs, draws) if augmented else pairs), labels

    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(shuffled)  # an order of its own for every epoch
        .map(read)
        .map(vary)
        .prefetch(2)
    )


def evaluation_batches(views: Views, labels: np.ndarray, rows: np.ndarray, *, batch: int) -> tf.data.Dataset:
    """Batches of `rows` in their order, unchanged.

    Returns:
        A dataset of pairs: `ViewPairs`, and the labels, int8 (batch, attributes).
    """
    return (
        tf.data.Dataset.from_tensor_slices(np.asarray(rows, np.int64))
        .batch(batch)
        .map(lambda rows: (_gather(views, rows), tf.gather(labels, rows)))
        .prefetch(2)
    )


def _gather(views: Views, rows: tf.Tensor) -> ViewPairs:
    """Copy a batch out of the memory-mapped store."""
    pairs = {"photo": tf.numpy_function(views.photos, [rows], tf.uint8, stateful=False)}
    pairs["photo"].set_shape((None, views.size, views.size, 3))
    if views.has_masks:
        pairs["mask"] = tf.numpy_function(views.masks, [rows], tf.uint8, stateful=False)
        pairs["mask"].set_shape((None, views.size, views.size, 1))
    return pairs
