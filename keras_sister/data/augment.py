"""Augmentation of training photos that changes no attribute.

Horizontal flip, shift, brightness and contrast. Hues do not change, because 11 of DCSA's 26 attributes are colours. The
paper names no augmentation; it is off by default.
"""

import numpy as np
import tensorflow as tf

SHIFT = 0.08
"""Largest shift, as a share of the size, in both directions; the border is repeated."""

LIGHT = 0.2
"""Largest relative change of brightness and of contrast."""


DRAWS = 9
"""Random numbers for a photo: five that `augment` takes, and four for what varies the views made from it."""


def random_draws(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """Random numbers for a batch, from (seed, epoch, row) alone: equal in any order and after any restart.

    Args:
        seed: random seed of the training.
        epoch: counted from 0.
        rows: int array, shape (batch,): the photos.

    Returns:
        float32 array, shape (batch, DRAWS), uniform in [−1, 1): flip, shift down, shift right, brightness, contrast,
        and four more, see `keras_sister.training.variation`.
    """
    return np.stack([np.random.default_rng([seed, epoch, row]).uniform(-1, 1, DRAWS) for row in rows]).astype(
        np.float32
    )


def augment(images: dict[str, tf.Tensor], draws: tf.Tensor) -> dict[str, tf.Tensor]:
    """Augment a batch of images; all images of a photo are flipped and shifted alike.

    Args:
        images: uint8 (batch, size, size, channels) by name; only ``photo``, RGB, changes in brightness and contrast.
        draws: float32 (batch, 5 or more), see `random_draws`.

    Returns:
        Images of the same names, shapes and dtypes.
    """
    size = tf.shape(images["photo"])[1]
    flip, down, right, brightness, contrast = tf.unstack(draws[:, :5], axis=1)
    y = _shifted(tf.range(size), down)
    x = _shifted(tf.range(size), right)
    x = tf.where(flip[:, None] < 0, size - 1 - x, x)
    moved = {
        name: tf.gather(tf.gather(image, y, axis=1, batch_dims=1), x, axis=2, batch_dims=1)
        for name, image in images.items()
    }
    return {**moved, "photo": _lit(moved["photo"], 1 + LIGHT * brightness, 1 + LIGHT * contrast)}


def _shifted(positions: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Source position of each pixel of a shifted line: int32 (batch, size)."""
    size = tf.shape(positions)[0]
    shift = tf.cast(tf.round(SHIFT * share * tf.cast(size, tf.float32)), tf.int32)
    return tf.clip_by_value(positions[None] - shift[:, None], 0, size - 1)


def _lit(photos: tf.Tensor, brightness: tf.Tensor, contrast: tf.Tensor) -> tf.Tensor:
    levels = tf.cast(photos, tf.float32)
    mean = tf.reduce_mean(levels, axis=(1, 2, 3), keepdims=True)
    levels = (mean + (levels - mean) * contrast[:, None, None, None]) * brightness[:, None, None, None]
    return tf.cast(tf.round(tf.clip_by_value(levels, 0, 255)), tf.uint8)
