"""The heads of several folds as one model: their weights stacked along a first axis, one step for all of them.

One step of the program is a step of every fold, with batched matrix products. The total loss is the sum of the folds'
mean losses, and Adam treats every weight alone, so the folds do not mix: each ends as it would alone.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import Schema

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # the defaults of keras.optimizers.Adam


class StackedHeads:
    """The weights of a head for each of several folds, and the state of their optimizer.

    Args:
        head: a functional model from a list of features, each (batch, channels), to logits. It is copied, without its
            weights and its precision.
        schema: attributes and classes of labels and logits.
        seeds: the random seed of each fold's initial weights.
        features: for each tower, float array (photos, channels), memory-mapped or not; `mirrored` the same of the
            mirrored photos, or None.
        learning_rate: that of Adam.
        loss: the loss of each photo; the cross-entropy of its known labels by default.
        dtype: of weights, features and losses: ``float32`` or ``float64``.
    """

    def __init__(
        self,
        head: keras.Model,
        schema: Schema,
        seeds: Sequence[int],
        features: Sequence[np.ndarray],
        mirrored: Sequence[np.ndarray] | None,
        *,
        learning_rate: float,
        loss: MaskedAttributeLoss | None = None,
        dtype: str = "float32",
    ) -> None:
        self.schema, self.folds, self.learning_rate, self.dtype = schema, len(seeds), learning_rate, dtype
        self.head = new_head(head, seeds[0], dtype)
        self.loss = loss or MaskedAttributeLoss(schema, reduction=None)
        self.features, self.mirrored = features, mirrored
        initial = zip(*(new_head(head, seed, dtype).get_weights() for seed in seeds), strict=True)
        self.weights = [tf.Variable(np.stack(weights)) for weights in initial]
        self.first_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self.weights]
        self.second_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self.weights]
        self.best = [tf.Variable(weight) for weight in self.weights]
        self.steps = np.zeros(self.folds, np.int64)
        # XLA joins the update of a weight and its two moments into one pass over the memory, which is the bottleneck.
        self._update = tf.function(self._update_in_graph, jit_compile=True, autograph=False)
        self._step = tf.function(self._step_in_graph, autograph=False)
        self._logits = tf.function(self._logits_in_graph, reduce_retracing=True, autograph=False)

    def step(
        self,
        rows: np.ndarray,
        mirror: np.ndarray,
        labels: np.ndarray,
        label_weights: np.ndarray,
        weights: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A step of Adam of every fold that has a photo in its batch.

        Args:
            rows: int (folds, batch): the photos of each fold's batch.
            mirror: bool (folds, batch): take the features of the mirrored photo.
            labels: int (folds, batch, attributes), −1 = unknown.
            label_weights: float (folds, batch, attributes): of each label in its photo's loss.
            weights: float (folds, batch): of each photo in its fold's loss; 0 where a batch is padded.

        Returns:
            The losses, (folds,), and the logits before the step, (folds, batch, n_logits).
        """
        active = weights.any(axis=1)
        self.steps += active
        steps = np.maximum(self.steps, 1).astype(np.float64)
        # Keras rounds these three to float32 here, whatever it computes in.
        rate, beta_1, beta_2 = (float(np.float32(value)) for value in (self.learning_rate, _BETA_1, _BETA_2))
        rates = rate * np.sqrt(1 - beta_2**steps) / (1 - beta_1**steps)
        losses, logits = self._step(
            self._gather(rows, mirror),
            tf.constant(labels, tf.int32),
            tf.constant(label_weights, self.dtype),
            tf.constant(weights, self.dtype),
            tf.constant(np.where(active, rates, 0), self.dtype),
        )
        return losses.numpy(), logits.numpy()

    def logits(self, rows: np.ndarray, *, best: bool) -> np.ndarray:
        """Logits of photos, (folds, batch, n_logits), by the present weights or those of each fold's best epoch."""
        weights = self.best if best else self.weights
        return self._logits(weights, self._gather(rows, np.zeros(rows.shape, bool))).numpy()

    def keep(self, folds: np.ndarray) -> None:
        """Take the present weights of some folds, bool (folds,), as those of their best epoch."""
        if not folds.any():
            return
        for best, weight in zip(self.best, self.weights, strict=True):
            best.assign(weight if folds.all() else tf.where(_per_fold(folds, weight), weight, best))

    def best_weights(self, fold: int) -> list[np.ndarray]:
        """A fold's weights of its best epoch, in the order of the head's."""
        return [best[fold].numpy() for best in self.best]

    def state(self) -> dict[str, tf.Variable]:
        """Everything that training changes but `steps`, by name."""
        kinds = {"weight": self.weights, "first": self.first_moments, "second": self.second_moments, "best": self.best}
        return {f"{kind}{i}": variable for kind, some in kinds.items() for i, variable in enumerate(some)}

    def _gather(self, rows: np.ndarray, mirror: np.ndarray) -> list[tf.Tensor]:
        """Features of photos, (folds, batch, channels) for each tower."""
        gathered = []
        for number, tower in enumerate(self.features):
            batch = tower[rows]
            if self.mirrored is not None:
                batch[mirror] = self.mirrored[number][rows[mirror]]
            gathered.append(tf.constant(batch, self.dtype))
        return gathered

    def _logits_in_graph(self, weights: list[tf.Tensor], features: list[tf.Tensor]) -> tf.Tensor:
        def one(given: tuple[list[tf.Tensor], list[tf.Tensor]]) -> tf.Tensor:
            own, batch = given
            return self.head.stateless_call(own, [], batch, training=False)[0]

        stacked = [tf.convert_to_tensor(weight) for weight in weights]
        return tf.vectorized_map(one, (stacked, features), fallback_to_while_loop=False)

    def _step_in_graph(
        self,
        features: list[tf.Tensor],
        labels: tf.Tensor,
        label_weights: tf.Tensor,
        weights: tf.Tensor,
        rates: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self._logits_in_graph(self.weights, features)
            flat = [tf.reshape(part, (-1, part.shape[2])) for part in (labels, label_weights, logits)]
            of_photos = tf.reshape(self.loss.call((flat[0], flat[1]), flat[2]), tf.shape(weights))
            losses = tf.reduce_sum(weights * tf.cast(of_photos, self.dtype), axis=1)
            total = tf.reduce_sum(losses)
        self._update(tape.gradient(total, self.weights), rates)
        return losses, logits

    def _update_in_graph(self, gradients: list[tf.Tensor], rates: tf.Tensor) -> None:
        for parts in zip(self.weights, self.first_moments, self.second_moments, gradients, strict=True):
            _adam(*parts, rates)


def _adam(weight: tf.Variable, first: tf.Variable, second: tf.Variable, gradient: tf.Tensor, rates: tf.Tensor) -> None:
    """One step of Adam, as Keras computes it; nothing changes where a fold's rate is 0."""
    rates = tf.reshape(rates, (-1, *[1] * (len(weight.shape) - 1)))
    active = tf.cast(rates > 0, weight.dtype)
    moved = first.assign_add(active * (gradient - first) * (1 - _BETA_1))
    scaled = second.assign_add(active * (tf.square(gradient) - second) * (1 - _BETA_2))
    weight.assign_sub(rates * moved / (tf.sqrt(scaled) + _EPSILON))


def new_head(head: keras.Model, seed: int, dtype: str) -> keras.Model:
    """A copy of a head with new random weights, from its layers' initializers, that computes in another dtype."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})

    keras.utils.set_random_seed(seed)
    return keras.models.clone_model(head, clone_function=copy)


def _per_fold(flags: np.ndarray, like: tf.Variable) -> np.ndarray:
    return flags.reshape(-1, *[1] * (len(like.shape) - 1))
