"""The weights of stacked heads as arrays of JAX; see `keras_sister.training.stacked_heads`."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keras_sister.losses import MaskedAttributeLoss
from keras_sister.training.head_graph import HeadGraph
from keras_sister.training.head_math import adam, losses_of


class HeadWeights:
    """The same as `keras_sister.training.heads_on_tensorflow.HeadWeights`."""

    def __init__(self, head: HeadGraph, loss: MaskedAttributeLoss, initial: Sequence[np.ndarray]) -> None:
        self.head, self.loss, self.dtype = head, loss, initial[0].dtype
        self.weights = [jnp.array(weight) for weight in initial]
        self.first = [jnp.zeros_like(weight) for weight in self.weights]
        self.second = [jnp.zeros_like(weight) for weight in self.weights]
        self.best = [jnp.copy(weight) for weight in self.weights]
        # The new weights and moments take the memory of the old ones.
        self._step = jax.jit(self._new_state, donate_argnums=0)
        self._logits = jax.jit(head.logits)

    def step(
        self,
        features: Sequence[np.ndarray],
        labels: np.ndarray,
        label_weights: np.ndarray,
        weights: np.ndarray,
        rates: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `keras_sister.training.heads_on_tensorflow.HeadWeights.step`."""
        given = [jnp.asarray(part, self.dtype) for part in (label_weights, weights, rates)]
        state = (self.weights, self.first, self.second)
        (self.weights, self.first, self.second), losses, logits = self._step(
            state, self._arrays(features), jnp.asarray(labels, jnp.int32), *given
        )
        return np.asarray(losses), np.asarray(logits)

    @staticmethod
    def held(features: Sequence[np.ndarray]) -> Sequence[Any]:
        """The features from which batches are gathered: in the memory of a GPU, where there is one and they fit."""
        if jax.default_backend() == "cpu":
            return features
        try:
            return [jnp.asarray(np.asarray(tower)) for tower in features]
        except jax.errors.JaxRuntimeError:  # out of memory
            return features

    def logits(self, features: Sequence[np.ndarray], *, best: bool) -> np.ndarray:
        """Logits, (folds, batch, n_logits), by the present weights or those of each fold's best epoch."""
        return np.asarray(self._logits(self.best if best else self.weights, self._arrays(features)))

    def keep(self, folds: np.ndarray) -> None:
        """Take the present weights of some folds, bool (folds,), as those of their best epoch."""
        for i, weight in enumerate(self.weights):
            self.best[i] = jnp.where(folds.reshape(-1, *[1] * (weight.ndim - 1)), weight, self.best[i])

    def best_weights(self, fold: int) -> list[np.ndarray]:
        """A fold's weights of its best epoch, in the order of the head's."""
        return [np.asarray(best[fold]) for best in self.best]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that training changes, by name."""
        return {f"{kind}{i}": np.asarray(array) for kind, some in self._kinds() for i, array in enumerate(some)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `arrays` gave."""
        for kind, some in self._kinds():
            some[:] = [jnp.array(arrays[f"{kind}{i}"]) for i in range(len(some))]

    def _kinds(self) -> list[tuple[str, list[Any]]]:
        return [("weight", self.weights), ("first", self.first), ("second", self.second), ("best", self.best)]

    def _arrays(self, features: Sequence[np.ndarray]) -> list[Any]:
        return [jnp.asarray(tower, self.dtype) for tower in features]

    def _new_state(
        self, state: Any, features: list[Any], labels: Any, label_weights: Any, weights: Any, rates: Any
    ) -> tuple[Any, Any, Any]:
        def total(heads: list[Any]) -> tuple[Any, tuple[Any, Any]]:
            logits = self.head.logits(heads, features)
            losses = losses_of(self.loss, logits, labels, label_weights, weights)
            return jnp.sum(losses), (losses, logits)

        gradients, (losses, logits) = jax.grad(total, has_aux=True)(state[0])
        updated = [adam(w, m, v, g, rates) for w, m, v, g in zip(*state, gradients, strict=True)]
        return tuple(map(list, zip(*updated, strict=True))), losses, logits
