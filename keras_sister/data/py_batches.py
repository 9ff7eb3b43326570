"""From stored images to batches without ``tf.data``: for Keras on JAX, see `keras_sister.data.batches`.

The batches equal those of `keras_sister.data.pipeline` bit by bit.
"""

import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from keras_sister.data.augment import augment
from keras_sister.data.chance import epoch_order, random_draws
from keras_sister.data.image_store import Images, ImageStore


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
) -> keras.utils.PyDataset:
    """See `keras_sister.data.batches.training_batches`."""
    steps = math.ceil(len(rows) / batch_size)

    def batch(number: int) -> Any:
        epoch, step = first_epoch + number // steps, number % steps
        chosen = epoch_order(seed, epoch, rows)[step * batch_size : (step + 1) * batch_size]
        images, draws = _read(store, chosen), random_draws(seed, epoch, chosen)
        return finish(augment(images, draws) if augmented else images, chosen, draws[:, 5:])

    return _Batches(batch, steps * (epochs - first_epoch))


def evaluation_batches(
    store: ImageStore,
    rows: np.ndarray,
    *,
    batch_size: int,
    finish: Callable[[Images, Any], Any] = lambda images, rows: (images, rows),
) -> keras.utils.PyDataset:
    """See `keras_sister.data.batches.evaluation_batches`."""

    def batch(number: int) -> Any:
        chosen = np.asarray(rows, np.int64)[number * batch_size : (number + 1) * batch_size]
        return finish(_read(store, chosen), chosen)

    return _Batches(batch, math.ceil(len(rows) / batch_size))


class _Batches(keras.utils.PyDataset):
    """Batches by their number, each made in another thread while Keras computes with the one before.

    Keras's own threads cannot be used: they do not give the first batch again after Keras built a model from it, and
    every epoch starts at the first batch.
    """

    def __init__(self, batch: Callable[[int], Any], length: int) -> None:
        super().__init__()
        self.batch, self.length = batch, length
        self._pool = ThreadPoolExecutor(1)
        self._next: dict[int, Future[Any]] = {}

    def __getitem__(self, number: int) -> Any:
        made = self._next.pop(number, None)
        batch = made.result() if made else self.batch(number)
        self._next = {number + 1: self._pool.submit(self.batch, number + 1)} if number + 1 < self.length else {}
        return batch

    @property
    def num_batches(self) -> int:
        return self.length


def _read(store: ImageStore, rows: np.ndarray) -> Images:
    """Copy a batch out of the memory-mapped store."""
    return {name: keras.ops.convert_to_tensor(store.read(name, rows)) for name in store.channels}
