"""Background removal: keep the person, replace the background."""

import tensorflow as tf

from keras_sister.config import BACKGROUNDS, EDGES

_BLURRED_SIZE = 12
"""Size to which a photo is reduced before it is enlarged again to blur it: colours remain, shapes do not."""


def check_compositing(background: str, edges: str) -> None:
    """Check the arguments of `composite`.

    Raises:
        ValueError: for an unknown background or kind of edges.
    """
    if background not in BACKGROUNDS:
        raise ValueError(f"Expected background to be one of {BACKGROUNDS}. Received: {background=}")
    if edges not in EDGES:
        raise ValueError(f"Expected edges to be one of {EDGES}. Received: {edges=}")


def composite(photos: tf.Tensor, masks: tf.Tensor, background: str, edges: str = "hard") -> tf.Tensor:
    """Keep the pixels of the person and replace the others by the background.

    A photo in which no person is found stays unchanged, because an empty image would hold no information.

    Args:
        photos: uint8 tensor, shape (batch, height, width, 3), RGB.
        masks: uint8 tensor, shape (batch, height, width, 1), 255 = person. A photo whose mask stays below 128 has no
            person.
        background: ``white``, ``black``, ``mean`` (mean colour of the photo) or ``blur`` (the photo, blurred).
        edges: ``hard``, as in the paper: a pixel is person where the mask is at least 128. ``soft``: photo and
            background are mixed in proportion to the mask.

    Returns:
        uint8 tensor of the shape of `photos`.

    Raises:
        ValueError: for an unknown background or kind of edges.

    Example:
        >>> composite(photos, masks, "white").shape  # photos: (8, 224, 224, 3), masks: (8, 224, 224, 1)
        TensorShape([8, 224, 224, 3])
    """
    check_compositing(background, edges)
    person = masks >= 128
    nobody = tf.logical_not(tf.reduce_any(person, axis=(1, 2, 3), keepdims=True))
    behind = _background(photos, background)
    if edges == "hard":
        return tf.where(person | nobody, photos, behind)
    share = tf.where(nobody, 1.0, tf.cast(masks, tf.float32) / 255)
    mixed = share * tf.cast(photos, tf.float32) + (1 - share) * tf.cast(behind, tf.float32)
    return tf.cast(tf.round(mixed), tf.uint8)


def _background(photos: tf.Tensor, background: str) -> tf.Tensor:
    """The background: uint8, of the shape of `photos` or one that broadcasts to it."""
    if background in ("white", "black"):
        return tf.cast({"white": 255, "black": 0}[background], tf.uint8)
    levels = tf.cast(photos, tf.float32)
    if background == "mean":
        levels = tf.reduce_mean(levels, axis=(1, 2), keepdims=True)
    else:
        small = tf.image.resize(levels, (_BLURRED_SIZE, _BLURRED_SIZE), antialias=True)
        levels = tf.image.resize(small, tf.shape(photos)[1:3])
    return tf.cast(tf.round(levels), tf.uint8)
