"""Start TensorFlow and Keras in half the time, in the processes of our own commands."""

import gc
import os
import sys
from pathlib import Path

_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


def start_tensorflow() -> None:
    """Import TensorFlow and Keras without packages that they import only because they are installed.

    Keras wraps models for scikit-learn, draws with matplotlib and trains from pandas frames; TensorFlow converts
    functions of JAX. None of our commands does any of it, and importing them takes as long as TensorFlow itself. They
    can be imported afterwards as ever. A process that imports the library for itself is left alone.

    The garbage collector rests meanwhile and never searches the new modules, of which none is garbage: not now, not
    later, and not at the end of the process, where it would take a second.
    """
    if "tensorflow" in sys.modules:
        return
    hidden = [name for name in (*_NOT_NEEDED, *_jax()) if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: importing it fails
    gc.disable()
    try:
        import tensorflow  # noqa: F401 - which imports Keras
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]


def _jax() -> tuple[str, ...]:
    """JAX, unless it is the backend that Keras is set to."""
    settings = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    set_to = os.environ.get("KERAS_BACKEND") or (settings.read_text() if settings.is_file() else "")
    return () if "jax" in set_to else ("jax",)
