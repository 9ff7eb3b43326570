"""The order of axes, whatever Keras is set to."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def channels_last() -> Iterator[None]:
    """Build layers for (batch, height, width, channels), also where ``keras.config`` says ``channels_first``.

    Layers keep the order that they were built with, also in a file. A context, or a decorator of a builder.

    Example:
        >>> with channels_last():
        ...     keras.layers.GlobalMaxPooling2D().data_format
        'channels_last'
    """
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)
