"""Inference of a network, compiled by the backend that Keras runs on."""

from collections.abc import Callable
from typing import Any

import keras

Infer = Callable[[dict[str, Any]], Any]
"""From views by name to float32 outputs."""


def compiled_inference(network: keras.Model) -> Infer:
    """A function that runs a network on batches, with the weights that it has now.

    It is traced at its first call; on JAX again for another batch size.
    """
    return _COMPILERS[keras.backend.backend()](network)


def _on_tensorflow(network: keras.Model) -> Infer:
    import tensorflow as tf

    @tf.function(autograph=False)
    def infer(views: dict[str, Any]) -> Any:
        return keras.ops.cast(network(views, training=False), "float32")

    def of_any_number(views: dict[str, Any]) -> Any:
        # The last batch is often shorter. A graph for one size gives the same numbers.
        specs = {name: tf.TensorSpec((None, *view.shape[1:]), view.dtype) for name, view in views.items()}
        return infer.get_concrete_function(specs)(views)

    return of_any_number


def _on_jax(network: keras.Model) -> Infer:
    import jax

    # As arguments, because JAX writes the weights that a function holds into its program.
    trainable = [variable.value for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]

    @jax.jit
    def infer(trainable: list[Any], others: list[Any], views: dict[str, Any]) -> Any:
        outputs, _ = network.stateless_call(trainable, others, views, training=False)
        return keras.ops.cast(outputs, "float32")

    return lambda views: infer(trainable, others, views)


_COMPILERS: dict[str, Callable[[keras.Model], Infer]] = {"tensorflow": _on_tensorflow, "jax": _on_jax}
