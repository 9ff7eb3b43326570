"""What `test_view_store` does in processes of its own."""

from keras_sister.tensorflow_start import start_tensorflow

start_tensorflow()

import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
from multiprocessing.connection import Connection  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

from keras_sister.data.view_store import ViewStore  # noqa: E402
from keras_sister.segmentation.preprocessor import Preprocessor  # noqa: E402


class Brightness:
    """A segmenter for tests: a pixel is person as far as it is red."""

    fingerprint = "red"

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def folded(self) -> "Brightness":
        return self

    def check(self, photos: list[Path]) -> None:
        pass

    def __call__(self, images: tf.Tensor, names: tf.Tensor = None) -> tf.Tensor:
        return tf.cast(images[..., :1], tf.float32) / 255


def person(size: int | None = None) -> Preprocessor:
    return Preprocessor(Brightness(size), size=32)


def serve(connection: Connection) -> None:
    """Do what arrives, a function and its arguments, and send the results back; None is the end."""
    connection.send("ready")
    while call := connection.recv():
        function, *arguments = call
        connection.send(function(*arguments))


def fill(photos: list[Path], cache: Path) -> list[str]:
    return ViewStore(32, person().fingerprint, cache=cache).fill(photos, person())


def fill_with_small_files(photos: list[Path], cache: Path) -> None:
    """Fill a store where no file may grow as large as a block, which the system refuses."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    store = ViewStore(32, person().fingerprint, cache=cache)
    with pytest.raises(OSError, match="File too large") as caught:
        store.fill(photos, person())
    assert str(store.folder) in str(caught.value.filename)
    assert os.listdir(store.folder) == []  # noqa: PTH208 - nothing half is left
