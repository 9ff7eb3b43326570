"""What is asked of every layer and every model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

QUICK_XLA = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false"
}
"""Environment of a process of JAX that compiles in half of the time, and computes slowly."""

QUICK_KERAS = "from keras_sister.tensorflow_start import without_what_is_not_needed as w\nwith w(): import keras\n"
"""Beginning of a program on another backend than TensorFlow, which starts in less time."""

QUICK_TENSORFLOW = 'import gc, sys\ngc.disable()\nsys.modules["jax"] = None\n'
"""Beginning of a program on TensorFlow without this package; see `keras_sister.export.keras_free_process`."""


def to_numpy(values: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_numpy, values)


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check_layer(layer: keras.layers.Layer, inputs: Any, expected: Any, *, atol: float = 1e-5) -> None:
    """Values, shapes told in advance, and the way through its configuration."""
    outputs = layer(inputs)
    keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), to_numpy(outputs), expected)
    symbols = keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype.name), inputs)
    told = layer.compute_output_spec(symbols)
    keras.tree.map_structure(lambda spec, out: np.testing.assert_equal(tuple(spec.shape), out.shape), told, outputs)

    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    again(inputs)
    again.set_weights(layer.get_weights())
    keras.tree.map_structure(np.testing.assert_array_equal, to_numpy(again(inputs)), to_numpy(outputs))


def check_model(model: keras.Model, views: dict[str, np.ndarray], folder: Path) -> np.ndarray:
    """Saving, the model and its weights alone, and the types of pixels; gives the logits."""
    logits = to_numpy(model(views, training=False))
    assert logits.dtype == np.float32
    as_float = {view: pixels.astype(np.float32) for view, pixels in views.items()}
    np.testing.assert_array_equal(to_numpy(model(as_float, training=False)), logits)

    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(views, training=False)), logits)
    model.save_weights(folder / "model.weights.h5")
    for weight in loaded.weights:
        weight.assign(keras.ops.zeros_like(weight))
    loaded.load_weights(folder / "model.weights.h5")
    np.testing.assert_array_equal(to_numpy(loaded(views, training=False)), logits)
    return logits
