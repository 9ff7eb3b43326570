"""Paint the background of a photo over: the second look is at the person alone."""

from collections.abc import Iterable

import tensorflow as tf

from keras_sister.config import BACKGROUNDS, EDGES

_BLURRED = 12
"""A blurred photo keeps this many details a side: colours, no shapes."""


def composite(photos: tf.Tensor, masks: tf.Tensor, background: str, edges: str = "hard") -> tf.Tensor:
    """Keep the pixels that are person, paint the others over.

    A photo in which nobody is found stays whole: from a blank sheet nothing could be told.

    Args:
        photos: uint8 tensor, shape (batch, height, width, 3), RGB.
        masks: uint8 tensor, shape (batch, height, width, 1), 255 = surely person; a photo in which no pixel reaches
            128 shows nobody.
        background: ``white``, ``black``, ``mean`` (the photo's mean colour) or ``blur`` (the photo, blurred).
        edges: ``hard``, as in the paper ("only pixels of class person stay"): from 128 on a pixel is person. ``soft``:
            a pixel is mixed by how surely it is.

    Returns:
        uint8 tensor of the photos' shape.

    Raises:
        ValueError: for another background or other edges.
    """
    if background not in BACKGROUNDS:
        raise ValueError(f"Expected background to be one of {BACKGROUNDS}. Received: {background=}")
    if edges not in EDGES:
        raise ValueError(f"Expected edges to be one of {EDGES}. Received: {edges=}")
    person = masks >= 128
    nobody = tf.logical_not(tf.reduce_any(person, axis=(1, 2, 3), keepdims=True))
    behind = _behind(photos, background)
    if edges == "hard":
        return tf.where(person | nobody, photos, behind)
    share = tf.where(nobody, 1.0, tf.cast(masks, tf.float32) / 255)
    mixed = share * tf.cast(photos, tf.float32) + (1 - share) * tf.cast(behind, tf.float32)
    return tf.cast(tf.round(mixed), tf.uint8)


def model_views(
    photos: tf.Tensor, masks: tf.Tensor | None, views: Iterable[str], background: str, edges: str
) -> dict[str, tf.Tensor]:
    """What a model looks at, by the names of its inputs.

    Args:
        photos: uint8 tensor, shape (batch, size, size, 3), RGB.
        masks: uint8 tensor, shape (batch, size, size, 1), 255 = surely person; None for a model that looks at photos
            only.
        views: of ``photo``, ``segmented`` and ``mask``.
        background, edges: of ``segmented``, see `composite`.
    """
    made = {"photo": photos, "mask": masks}
    if "segmented" in views:
        made["segmented"] = composite(photos, masks, background, edges)
    return {view: made[view] for view in views}


def _behind(photos: tf.Tensor, background: str) -> tf.Tensor:
    """What is painted: uint8, of the photos' shape or one that spreads to it."""
    if background in ("white", "black"):
        return tf.cast({"white": 255, "black": 0}[background], tf.uint8)
    levels = tf.cast(photos, tf.float32)
    if background == "mean":
        levels = tf.reduce_mean(levels, axis=(1, 2), keepdims=True)
    else:
        small = tf.image.resize(levels, (_BLURRED, _BLURRED), antialias=True)
        levels = tf.image.resize(small, tf.shape(photos)[1:3])
    return tf.cast(tf.round(levels), tf.uint8)
