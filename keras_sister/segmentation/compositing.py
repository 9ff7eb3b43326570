"""Paint the background of a photo over: the second look is at the person alone."""

from collections.abc import Iterable

import tensorflow as tf

_LEVELS = {"white": 255, "black": 0}


def composite(photos: tf.Tensor, masks: tf.Tensor, background: str) -> tf.Tensor:
    """Keep the pixels that are person, paint the others over.

    The edge is hard, as in the paper ("only pixels of class person stay"). A photo in which nobody is found stays
    whole: from a blank sheet nothing could be told.

    Args:
        photos: uint8 tensor, shape (batch, height, width, 3), RGB.
        masks: uint8 tensor, shape (batch, height, width, 1), 255 = surely person; from 128 on a pixel is person.
        background: ``white`` or ``black``.

    Returns:
        uint8 tensor of the photos' shape.

    Raises:
        ValueError: for another background.
    """
    if background not in _LEVELS:
        raise ValueError(f"Expected background to be one of {list(_LEVELS)}. Received: background={background!r}")
    person = masks >= 128
    nobody = tf.logical_not(tf.reduce_any(person, axis=(1, 2, 3), keepdims=True))
    return tf.where(person | nobody, photos, tf.cast(_LEVELS[background], tf.uint8))


def model_views(
    photos: tf.Tensor, masks: tf.Tensor | None, views: Iterable[str], background: str
) -> dict[str, tf.Tensor]:
    """What a model looks at, by the names of its inputs.

    Args:
        photos: uint8 tensor, shape (batch, size, size, 3), RGB.
        masks: uint8 tensor, shape (batch, size, size, 1), 255 = surely person; None for a model that looks at photos
            only.
        views: of ``photo``, ``segmented`` and ``mask``.
        background: of ``segmented``, see `composite`.
    """
    made = {"photo": photos, "mask": masks}
    if "segmented" in views:
        made["segmented"] = composite(photos, masks, background)
    return {view: made[view] for view in views}
