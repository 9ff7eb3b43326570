"""What a head computes in every fold: logits from features, plain or standardised.

A plain head trains on the features as they are. A standardised one trains on them less their mean over the fold's own
training photos, divided by the root of the sum of their own variance and the mean variance of the tower's channels.
Then one learning rate suits all channels, and larger batches with fewer steps learn as much. The mean variance keeps
channels small that hardly vary: with variance 1 for all of them, heads predict worse. Means and divisors go into the
head's first weights in the end, so that the trained head takes features as they are.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

_EPSILON = 1e-3
"""Added to variances, as in `keras.layers.BatchNormalization`, for towers whose features do not vary at all."""

_ROWS_AT_ONCE = 1024


class HeadGraph:
    """The logits of several folds from their weights and features.

    Args:
        head: a functional model from a list of features, each (batch, channels), to logits.
    """

    def __init__(self, head: keras.Model) -> None:
        self.head = head

    def logits(self, weights: list[Any], features: list[Any]) -> Any:
        """Each fold's logits, (folds, batch, n_logits), from its weights and its features, (folds, batch, channels)."""

        def one(given: tuple[list[Any], list[Any]]) -> Any:
            own, batch = given
            return self.head.stateless_call(own, [], batch, training=False)[0]

        return keras.ops.vectorized_map(one, (weights, features))

    def of_plain_features(self, weights: list[np.ndarray], fold: int) -> list[np.ndarray]:
        """The weights of a fold with which `head` gives the same logits from features as they are."""
        return weights


class StandardizedHead(HeadGraph):
    """A head whose layers that take features take them standardised.

    Args:
        head: see `HeadGraph`; what takes the features are dense layers with biases.
        features: for each tower, float array (photos, channels).
        rows: the photos that each fold trains on.

    Raises:
        ValueError: if another kind of layer takes the features.
    """

    def __init__(self, head: keras.Model, features: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> None:
        super().__init__(head)
        self._places = [_places_of_weights(head, tensor) for tensor in head.inputs]
        moments = [_moments(tower, rows) for tower in features]
        self._means = [mean for mean, _ in moments]
        variances = [variance + variance.mean(axis=1, keepdims=True) for _, variance in moments]
        self._factors = [1 / np.sqrt(variance + _EPSILON) for variance in variances]

    def logits(self, weights: list[Any], features: list[Any]) -> Any:
        """See `HeadGraph.logits`."""
        standard = [
            (tower - self._as(tower, mean)) * self._as(tower, factor)
            for tower, mean, factor in zip(features, self._means, self._factors, strict=True)
        ]
        return super().logits(weights, standard)

    def of_plain_features(self, weights: list[np.ndarray], fold: int) -> list[np.ndarray]:
        """See `HeadGraph.of_plain_features`; computed in double precision."""
        found = [weight.astype(np.float64) for weight in weights]
        for places, mean, factor in zip(self._places, self._means, self._factors, strict=True):
            for kernel, bias in places:
                found[kernel] *= factor[fold][:, None]
                found[bias] -= mean[fold] @ found[kernel]
        return [plain.astype(weight.dtype) for plain, weight in zip(found, weights, strict=True)]

    @staticmethod
    def _as(tower: Any, of_folds: np.ndarray) -> Any:
        """Numbers of each fold and channel, (folds, channels), as a tensor to compute with a batch of each fold."""
        return keras.ops.convert_to_tensor(of_folds[:, None], keras.backend.standardize_dtype(tower.dtype))


def _places_of_weights(head: keras.Model, features: Any) -> list[tuple[int, int]]:
    """Where, among the weights of a head, the kernel and the bias of each layer are that takes these features."""
    places = {id(weight): i for i, weight in enumerate(head.weights)}
    found = []
    for layer in head.layers:
        given = [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)
        if not any(tensor is features for tensor in given):
            continue
        if not isinstance(layer, keras.layers.Dense) or not layer.use_bias:
            raise ValueError(f"Expected dense layers with biases to take the features. Received: {layer.name}")
        found.append((places[id(layer.kernel)], places[id(layer.bias)]))
    return found


def _moments(tower: np.ndarray, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each channel over each fold's photos, float64 (folds, channels), read in blocks."""
    members = np.zeros((len(rows), len(tower)))
    for member, own in zip(members, rows, strict=True):
        member[own] = 1 / len(own)
    near = tower[:_ROWS_AT_ONCE].mean(axis=0, dtype=np.float64)  # less it, squares stay small
    mean, square = np.zeros((2, len(rows), tower.shape[1]))
    for start in range(0, len(tower), _ROWS_AT_ONCE):
        here = slice(start, start + _ROWS_AT_ONCE)
        values = tower[here].astype(np.float64) - near
        mean += members[:, here] @ values
        square += members[:, here] @ values**2
    return near + mean, square - mean**2
