"""TensorFlow without its greetings."""

import os

import click

from keras_sister.tensorflow_start import start_tensorflow


def say_loading(what: str = "TensorFlow") -> None:
    """Say on standard error why nothing happens for some seconds."""
    click.echo(f"Loading {what} …", err=True)


def import_tensorflow() -> None:
    """Import TensorFlow, and Keras on it: what a command computes in its own process is no training.

    ``KERAS_BACKEND`` chooses what trains, in worker processes.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import_quietly()


def import_quietly() -> None:
    """Import TensorFlow, and Keras on the backend that it is set to, with standard error closed.

    While it is imported, its C++ part tells of oneDNN, CUDA and the processor, and no variable turns that off.
    """
    say_loading()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        start_tensorflow()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
