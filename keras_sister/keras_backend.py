"""The backend on which Keras trains: TensorFlow, or JAX where Keras is set to it."""

import os
import sys
from importlib.abc import MetaPathFinder

from keras_sister.errors import InputError
from keras_sister.extras import require
from keras_sister.tensorflow_start import keras_setting, start_tensorflow, without_what_is_not_needed

BACKENDS = ("tensorflow", "jax")
"""The backends on which a run can be trained."""


def chosen_backend() -> str:
    """The backend that ``KERAS_BACKEND`` names, or Keras's settings file; TensorFlow by default.

    Raises:
        InputError: for another one than `BACKENDS`, or one that is not installed.
    """
    backend = keras_setting()
    if backend not in BACKENDS:
        raise InputError(f"KERAS_BACKEND={backend}: training runs on {' or '.join(BACKENDS)}; set one of them.")
    if backend == "jax":
        require(("jax",), "KERAS_BACKEND=jax needs JAX", "jax")
    return backend


def start_keras(backend: str) -> None:
    """Import Keras with a backend, in a process that performs a task.

    With JAX no module can import TensorFlow any more: Keras would, wherever it is installed, to set random seeds, which
    takes seconds and on a GPU the memory that JAX needs.
    """
    os.environ["KERAS_BACKEND"] = backend
    if backend == "tensorflow":
        start_tensorflow()
        return
    sys.meta_path.insert(0, _NoTensorFlow())  # not None in `sys.modules`, from which Keras would take it for imported
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # allocate what is needed, not most of the GPU
    with without_what_is_not_needed():
        import keras  # noqa: F401


class _NoTensorFlow(MetaPathFinder):
    """What modules are searched by, before all else: there is no TensorFlow."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow': this process computes on JAX", name=name)
