"""The weights of stacked heads as variables of TensorFlow; see `keras_sister.training.stacked_heads`."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_sister.losses import MaskedAttributeLoss
from keras_sister.training.head_graph import HeadGraph
from keras_sister.training.head_math import adam, losses_of


class HeadWeights:
    """The weights, the moments of Adam, and the weights of each fold's best epoch.

    Args:
        head: computes the logits of all folds from their weights.
        loss: the loss of each photo.
        initial: the first weights, each (folds, …). All arrays have their dtype.
    """

    def __init__(self, head: HeadGraph, loss: MaskedAttributeLoss, initial: Sequence[np.ndarray]) -> None:
        self.head, self.loss, self.dtype = head, loss, initial[0].dtype
        self.weights = [tf.Variable(weight) for weight in initial]
        self.first = [tf.Variable(tf.zeros_like(weight)) for weight in self.weights]
        self.second = [tf.Variable(tf.zeros_like(weight)) for weight in self.weights]
        self.best = [tf.Variable(weight) for weight in self.weights]
        # XLA joins the update of a weight and its two moments into one pass over the memory, which is the bottleneck.
        self._update = tf.function(self._update_in_graph, jit_compile=True, autograph=False)
        self._step = tf.function(self._step_in_graph, autograph=False)
        self._logits = tf.function(self._logits_in_graph, reduce_retracing=True, autograph=False)

    def step(
        self,
        features: Sequence[np.ndarray],
        labels: np.ndarray,
        label_weights: np.ndarray,
        weights: np.ndarray,
        rates: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A step of Adam; see `keras_sister.training.head_math`.

        Returns:
            The losses, (folds,), and the logits before the step, (folds, batch, n_logits).
        """
        losses, logits = self._step(
            self._tensors(features),
            tf.constant(labels, tf.int32),
            tf.constant(label_weights, self.dtype),
            tf.constant(weights, self.dtype),
            tf.constant(rates, self.dtype),
        )
        return losses.numpy(), logits.numpy()

    @staticmethod
    def held(features: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """The features from which batches are gathered: as they are, memory-mapped."""
        return features

    def logits(self, features: Sequence[np.ndarray], *, best: bool) -> np.ndarray:
        """Logits, (folds, batch, n_logits), by the present weights or those of each fold's best epoch."""
        # As tensors: variables would be traced again for the others.
        weights = [tf.convert_to_tensor(weight) for weight in (self.best if best else self.weights)]
        return self._logits(weights, self._tensors(features)).numpy()

    def keep(self, folds: np.ndarray) -> None:
        """Take the present weights of some folds, bool (folds,), as those of their best epoch."""
        for best, weight in zip(self.best, self.weights, strict=True):
            of_fold = folds.reshape(-1, *[1] * (len(weight.shape) - 1))
            best.assign(weight if folds.all() else tf.where(of_fold, weight, best))

    def best_weights(self, fold: int) -> list[np.ndarray]:
        """A fold's weights of its best epoch, in the order of the head's."""
        return [best[fold].numpy() for best in self.best]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that training changes, by name."""
        return {name: variable.numpy() for name, variable in self._named().items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `arrays` gave."""
        for name, variable in self._named().items():
            variable.assign(arrays[name])

    def _named(self) -> dict[str, tf.Variable]:
        kinds = {"weight": self.weights, "first": self.first, "second": self.second, "best": self.best}
        return {f"{kind}{i}": variable for kind, some in kinds.items() for i, variable in enumerate(some)}

    def _tensors(self, features: Sequence[np.ndarray]) -> list[tf.Tensor]:
        """The same memory as tensors, which `tf.constant` would copy twice."""
        return [tf.cast(tf.experimental.dlpack.from_dlpack(tower.__dlpack__()), self.dtype) for tower in features]

    def _logits_in_graph(self, weights: list[tf.Tensor], features: list[tf.Tensor]) -> tf.Tensor:
        return self.head.logits(weights, features)

    def _step_in_graph(
        self,
        features: list[tf.Tensor],
        labels: tf.Tensor,
        label_weights: tf.Tensor,
        weights: tf.Tensor,
        rates: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self._logits_in_graph([tf.convert_to_tensor(weight) for weight in self.weights], features)
            losses = losses_of(self.loss, logits, labels, label_weights, weights)
            total = tf.reduce_sum(losses)
        self._update(tape.gradient(total, self.weights), rates)
        return losses, logits

    def _update_in_graph(self, gradients: list[tf.Tensor], rates: tf.Tensor) -> None:
        for weight, first, second, gradient in zip(self.weights, self.first, self.second, gradients, strict=True):
            new = adam(weight.read_value(), first.read_value(), second.read_value(), gradient, rates)
            for variable, value in zip((weight, first, second), new, strict=True):
                variable.assign(value)
