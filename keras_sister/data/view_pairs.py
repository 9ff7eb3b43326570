"""View pairs of photos, made in one ``tf.data`` pipeline: what `keras_sister.data.view_store.ViewStore.fill` stores."""

import contextlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_sister.data.blocks import BLOCK
from keras_sister.errors import InputError
from keras_sister.photo_files import try_read
from keras_sister.photo_kinds import why_not_decoded

_HELD = 64  # more blocks than the pipeline holds when it is stopped


class PairMaker(Protocol):
    """What fills a store: `keras_sister.segmentation.preprocessor.Preprocessor`, whose methods these are."""

    size: int | None
    fingerprint: str | None

    def check(self, photos: Sequence[Path]) -> None: ...

    def read(self, contents: Any) -> dict[str, Any]: ...

    def resize(self, image: Any) -> dict[str, Any]: ...

    def view_pair(self, resized: dict[str, Any], names: Any = None) -> dict[str, Any]: ...


def make_view_pairs(
    photos: Sequence[Path], preprocessor: PairMaker
) -> Generator[tuple[np.ndarray, dict[str, np.ndarray]], None, None]:
    """Decode, resize and segment photos in one ``tf.data`` pipeline.

    Yields:
        Blocks of up to `BLOCK` rows of `photos`, in order, with their view pairs. A photo that cannot be decoded is in
        no block. Closing the generator ends the pipeline: its destructor may wait forever for a segmenter at work.

    Raises:
        tf.errors.ResourceExhaustedError: if memory runs out.
    """
    if not photos:
        return
    # The pipeline drops a photo for which there is no memory, like a broken one; and with oneDNN, TensorFlow waits ten
    # seconds for memory for each. One image alone, of whatever size, shows it at once.
    preprocessor.resize(tf.zeros((1, 1, 3), tf.uint8))

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert, which takes a second to find out
    def read(row: tf.Tensor, path: tf.Tensor, name: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        return row, preprocessor.read(tf.io.read_file(path)), name

    def segment(
        rows: tf.Tensor, resized: dict[str, tf.Tensor], names: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return rows, preprocessor.view_pair(resized, names)

    # As bytes, because a file name need not be UTF-8.
    files = ([os.fsencode(photo) for photo in photos], [os.fsencode(photo.stem) for photo in photos])
    with tf.device("CPU"):
        stopped = tf.Variable(False)
    options = tf.data.Options()
    options.autotune.enabled = False  # it sometimes settles for one core, which takes twice as long
    options.experimental_optimization.apply_default_optimizations = False  # looking for some takes a tenth of a second
    batches = (
        tf.data.Dataset.from_tensor_slices((np.arange(len(photos)), *files))
        .take_while(lambda *_: tf.logical_not(stopped))
        .map(read, num_parallel_calls=os.cpu_count())
        .ignore_errors()  # one broken photo loses only itself
        .batch(BLOCK // 8)  # a full-width FCN fits two such batches in memory
        .prefetch(2)  # decode while the segmenter works
        .map(segment, num_parallel_calls=2)
        .rebatch(BLOCK)
        .prefetch(1)
        .with_options(options)
    )
    iterator = batches.as_numpy_iterator()
    try:
        yield from iterator
    except tf.errors.ResourceExhaustedError:  # not the photo's fault
        raise
    except tf.errors.OpError as error:
        raise InputError(error.message.splitlines()[0]) from error
    finally:
        stopped.assign(True)
        for _ in range(_HELD):
            with contextlib.suppress(tf.errors.OpError):
                if next(iterator, None) is None:
                    break


def why_not_made(photo: Path, preprocessor: PairMaker) -> str:
    """Why a photo is in no block: the pipeline drops what fails and does not say why.

    Raises:
        tf.errors.ResourceExhaustedError, MemoryError: if it can be decoded but memory ran out.
    """
    if reason := _why_not_read(photo, preprocessor):
        return reason
    raise MemoryError(f"{photo}: could not be decoded before, and now can")


def _why_not_read(photo: Path, preprocessor: PairMaker) -> str | None:
    """Read a photo alone; None if it can be.

    Raises:
        tf.errors.ResourceExhaustedError: if there is too little memory.
    """
    contents, reason = try_read(photo)  # it may be gone by now
    if reason:
        return f"{photo}: {reason}."
    try:
        preprocessor.read(tf.constant(contents))
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError:
        return f"{photo}: {why_not_decoded(contents)}."
    return None
