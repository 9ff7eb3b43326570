"""The heads of several folds as one model: their weights stacked along a first axis, one step for all of them.

One step of the program is a step of every fold, with batched matrix products. The total loss is the sum of the folds'
mean losses, and Adam treats every weight alone, so the folds do not mix: each ends as it would alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import Schema
from keras_sister.training.head_graph import HeadGraph, StandardizedHead
from keras_sister.training.head_math import BETA_1, BETA_2

if keras.backend.backend() == "tensorflow":
    from keras_sister.training.heads_on_tensorflow import HeadWeights
else:
    from keras_sister.training.heads_on_jax import HeadWeights  # type: ignore[assignment]

_ALIGNMENT = 64
"""Bytes: TensorFlow and JAX copy arrays that begin elsewhere."""


class StackedHeads:
    """The weights of a head for each of several folds, and the state of their optimizer.

    Args:
        head: a functional model from a list of features, each (batch, channels), to logits. It is copied, without its
            weights and its precision.
        schema: attributes and classes of labels and logits.
        seeds: the random seed of each fold's initial weights.
        features: for each tower, float array (photos, channels), memory-mapped or not; `mirrored` the same of the
            mirrored photos, or None.
        learning_rate: that of Adam, or a function from the steps that each fold has taken, int (folds,), to its rates.
        standardize_on: rows of the photos over which each fold standardises its features, see
            `keras_sister.training.head_graph`; None leaves them as they are.
        loss: the loss of each photo; the cross-entropy of its known labels by default.
        dtype: dtype of weights, features and losses: ``float32``, or on TensorFlow also ``float64``.
    """

    def __init__(
        self,
        head: keras.Model,
        schema: Schema,
        seeds: Sequence[int],
        features: Sequence[np.ndarray],
        mirrored: Sequence[np.ndarray] | None,
        *,
        learning_rate: float | Callable[[np.ndarray], np.ndarray],
        standardize_on: Sequence[np.ndarray] | None = None,
        loss: MaskedAttributeLoss | None = None,
        dtype: str = "float32",
    ) -> None:
        self.schema, self.folds, self.learning_rate, self.dtype = schema, len(seeds), learning_rate, dtype
        self.head = new_head(head, seeds[0], dtype)
        self.loss = loss or MaskedAttributeLoss(schema, reduction=None)
        self.features = [_Batches(tower) for tower in HeadWeights.held(features)]
        self.mirrored = None if mirrored is None else HeadWeights.held(mirrored)
        self.graph = HeadGraph(self.head)
        if standardize_on is not None:
            self.graph = StandardizedHead(self.head, features, standardize_on)
        others = (new_head(head, seed, dtype) for seed in seeds[1:])
        initial = zip(*(own.get_weights() for own in (self.head, *others)), strict=True)
        self.weights = HeadWeights(self.graph, self.loss, [np.stack(weights) for weights in initial])
        self.steps = np.zeros(self.folds, np.int64)

    def step(
        self,
        rows: np.ndarray,
        mirror: np.ndarray,
        labels: np.ndarray,
        label_weights: np.ndarray,
        weights: np.ndarray,
        active: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A step of Adam of the folds that have a photo in their batch, of whatever weight.

        Args:
            rows: int (folds, batch): the photos of each fold's batch.
            mirror: bool (folds, batch): take the features of the mirrored photo.
            labels: int (folds, batch, attributes), −1 = unknown.
            label_weights: float (folds, batch, attributes): of each label in its photo's loss.
            weights: float (folds, batch): of each photo in its fold's loss; 0 where a batch is padded.
            active: bool (folds,): the folds that take the step.

        Returns:
            The losses, (folds,), and the logits before the step, (folds, batch, n_logits).
        """
        rate = self.learning_rate(self.steps) if callable(self.learning_rate) else self.learning_rate
        self.steps += active
        steps = np.maximum(self.steps, 1).astype(np.float64)
        # Keras rounds these three to float32 here, whatever it computes in.
        beta_1, beta_2 = (float(np.float32(value)) for value in (BETA_1, BETA_2))
        rates = np.float32(rate).astype(np.float64) * np.sqrt(1 - beta_2**steps) / (1 - beta_1**steps)
        given = self._gather(rows, mirror), labels, label_weights, weights
        return self.weights.step(*given, np.where(active, rates, 0))

    def logits(self, rows: np.ndarray, *, best: bool) -> np.ndarray:
        """Logits of photos, (folds, batch, n_logits), by the present weights or those of each fold's best epoch."""
        return self.weights.logits(self._gather(rows, np.zeros(rows.shape, bool)), best=best)

    def keep(self, folds: np.ndarray) -> None:
        """Take the present weights of some folds, bool (folds,), as those of their best epoch."""
        if folds.any():
            self.weights.keep(folds)

    def best_weights(self, fold: int) -> list[np.ndarray]:
        """A fold's weights of its best epoch, in the order of the head's, for features as they are."""
        return self.graph.of_plain_features(self.weights.best_weights(fold), fold)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that training changes, by name."""
        return {**self.weights.arrays(), "steps": self.steps}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` gave."""
        self.weights.restore(state)
        self.steps = state["steps"]

    def _gather(self, rows: np.ndarray, mirror: np.ndarray) -> list[Any]:
        """Features of photos, (folds, batch, channels) for each tower."""
        gathered = []
        for number, batches in enumerate(self.features):
            batch = batches.of(rows)
            if self.mirrored is not None and isinstance(batch, np.ndarray):
                batch[mirror] = self.mirrored[number][rows[mirror]]
            elif self.mirrored is not None:  # on a GPU
                batch = keras.ops.where(mirror[..., None], self.mirrored[number][rows], batch)
            gathered.append(batch)
        return gathered


class _Batches:
    """Gathers a tower's features into one piece of memory again and again: new memory takes longer than the copy.

    A batch is good until the next one. It begins where backends can take arrays as they are.
    """

    def __init__(self, tower: Any) -> None:
        self.tower, self._memory = tower, np.empty(0, np.uint8)

    def of(self, rows: np.ndarray) -> Any:
        """The features of photos, int (folds, batch): (folds, batch, channels)."""
        if not isinstance(self.tower, np.ndarray):  # on a GPU
            return self.tower[rows]
        shape, dtype = (*rows.shape, self.tower.shape[1]), self.tower.dtype
        size = math.prod(shape) * dtype.itemsize
        if len(self._memory) < size:
            memory = np.empty(size + _ALIGNMENT, np.uint8)
            self._memory = memory[-memory.ctypes.data % _ALIGNMENT :]
        batch = self._memory[:size].view(dtype).reshape(shape)
        return np.take(self.tower, rows, axis=0, out=batch, mode="clip")  # which, unlike "raise", takes no new memory


def new_head(head: keras.Model, seed: int, dtype: str) -> keras.Model:
    """A copy of a head with new random weights, from its layers' initializers, that computes in another dtype."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})

    keras.utils.set_random_seed(seed)
    return keras.models.clone_model(head, clone_function=copy)
