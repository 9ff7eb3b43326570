"""Start TensorFlow and Keras in half the time, in the processes of our own commands, and with oneDNN."""

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


def start_tensorflow() -> None:
    """Import TensorFlow and Keras without packages that they import only because they are installed.

    Keras wraps models for scikit-learn, draws with matplotlib and trains from pandas frames; TensorFlow converts
    functions of JAX and takes sparse arrays of SciPy. None of our commands does any of it, and importing them takes as
    long as TensorFlow itself. They can be imported afterwards as ever. A process that imports the library for itself is
    left alone.

    The garbage collector rests meanwhile and never searches the new modules, of which none is garbage: not now, not
    later, and not at the end of the process, where it would take a second.
    """
    if "tensorflow" in sys.modules:
        return
    with without_what_is_not_needed(*(() if keras_setting() == "jax" else ("jax", "scipy"))):  # JAX needs SciPy
        import tensorflow  # noqa: F401 - which imports Keras


def turn_on_onednn() -> None:
    """Have TensorFlow compute with oneDNN on every CPU, a fifth faster; it does so by itself on newer ones only.

    TensorFlow 2.21 alone: in 2.22.0rc0 a convolution of a batch of one photo takes half a second with it on a CPU with
    AVX2. ``TF_ENABLE_ONEDNN_OPTS`` stays as the user has set it.
    """
    try:
        is_fast = version("tensorflow").startswith("2.21.")
    except PackageNotFoundError:  # training on JAX needs none
        is_fast = False
    if is_fast:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextmanager
def without_what_is_not_needed(*more: str) -> Iterator[None]:
    """A context in which importing packages that Keras does not need, and `more`, fails, unless they are imported."""
    hidden = [name for name in (*_NOT_NEEDED, *more) if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: importing it fails
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]


def keras_setting() -> str:
    """The backend that Keras is set to: by ``KERAS_BACKEND``, by its settings file, or its default."""
    # As Keras does: Path.expanduser raises an error where there is no home folder.
    settings = Path(os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras"))) / "keras.json"  # noqa: PTH111
    try:
        of_file = json.loads(settings.read_text()).get("backend")
    except (OSError, ValueError, AttributeError):  # which Keras passes over too
        of_file = None
    return os.environ.get("KERAS_BACKEND") or of_file or "tensorflow"
