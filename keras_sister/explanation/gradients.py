"""Gradients of a score with respect to feature maps, on each Keras backend."""

from collections.abc import Callable
from typing import Any

import keras

from keras_sister.errors import InputError

Score = Callable[[dict[str, Any]], Any]
"""From tensors by name to a scalar tensor."""


def gradients(score: Score, at: dict[str, Any]) -> dict[str, Any]:
    """The gradient of `score` with respect to each of the float tensors `at`.

    Raises:
        InputError: on a Keras backend without gradients.
    """
    backend = keras.backend.backend()
    if backend not in _GRADIENTS:
        raise InputError(f"Keras backend {backend} has no gradients here; use method='occlusion'.")
    return _GRADIENTS[backend](score, at)


def _tensorflow(score: Score, at: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(at)
        value = score(at)
    return tape.gradient(value, at, unconnected_gradients="zero")


def _jax(score: Score, at: dict[str, Any]) -> dict[str, Any]:
    import jax

    return jax.grad(score)(at)


def _torch(score: Score, at: dict[str, Any]) -> dict[str, Any]:
    import torch

    with torch.enable_grad():
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in at.items()}
        found = torch.autograd.grad(score(leaves), list(leaves.values()))
    return dict(zip(leaves, found, strict=True))


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
