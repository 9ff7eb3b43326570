"""From stored images to batches in ``tf.data``: for Keras on TensorFlow, see `keras_sister.data.batches`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.data.augment import augment
from keras_sister.data.chance import DRAWS, epoch_order, random_draws
from keras_sister.data.image_store import Images, ImageStore

_as_it_is = tf.autograph.experimental.do_not_convert
"""For functions of a pipeline: there is nothing to convert, which takes a second to find out."""


def training_batches(
    store: ImageStore,
    rows: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    augmented: bool,
    finish: Callable[[Images, tf.Tensor, tf.Tensor], Any] = lambda images, rows, draws: (images, rows),
) -> tf.data.Dataset:
    """See `keras_sister.data.batches.training_batches`."""

    @_as_it_is
    def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(lambda epoch: epoch_order(seed, epoch, rows), [epoch], tf.int64, stateful=False)
        order.set_shape((len(rows),))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size).map(lambda rows: (epoch, rows))

    @_as_it_is
    def read(epoch: tf.Tensor, rows: tf.Tensor) -> tuple[Images, tf.Tensor, tf.Tensor]:
        draws = tf.numpy_function(
            lambda epoch, rows: random_draws(seed, epoch, rows), [epoch, rows], tf.float32, stateful=False
        )
        draws.set_shape((None, DRAWS))
        return _read(store, rows), rows, draws

    @_as_it_is
    def vary(images: Images, rows: tf.Tensor, draws: tf.Tensor) -> Any:
        return finish(augment(images, draws) if augmented else images, rows, draws[:, 5:])

    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(shuffled)  # a new order for every epoch
        .map(read)
        .map(vary)
        .prefetch(2)
    )


def evaluation_batches(
    store: ImageStore,
    rows: np.ndarray,
    *,
    batch_size: int,
    finish: Callable[[Images, tf.Tensor], Any] = lambda images, rows: (images, rows),
) -> tf.data.Dataset:
    """See `keras_sister.data.batches.evaluation_batches`."""

    @_as_it_is
    def read(rows: tf.Tensor) -> Any:
        return finish(_read(store, rows), rows)

    return tf.data.Dataset.from_tensor_slices(np.asarray(rows, np.int64)).batch(batch_size).map(read).prefetch(2)


def _read(store: ImageStore, rows: tf.Tensor) -> Images:
    """Copy a batch out of the memory-mapped store."""
    images = {}
    for name, channels in store.channels.items():
        images[name] = tf.numpy_function(
            lambda rows, name=name: store.read(name, rows), [rows], tf.uint8, stateful=False
        )
        images[name].set_shape((None, store.size, store.size, channels))
    return images
