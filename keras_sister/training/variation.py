"""Variation of a model's views in training: other backgrounds, and a view that is missing.

Flips, shifts and light, which change both views alike, come before, see `keras_sister.data.augment`.
"""

import tensorflow as tf

from keras_sister.data.pipeline import Images
from keras_sister.segmentation.background_swap import shows_background, swap_background

_BLANK = 255
"""The level of a view that is missing: white, as the background of a person."""


def vary_views(
    views: Images, pairs: Images, draws: tf.Tensor, *, random_background: float = 0.0, drop_view: float = 0.0
) -> Images:
    """Vary the views of a batch of training photos.

    Args:
        views: the model's inputs, uint8 (batch, size, size, channels) by view.
        pairs: the view pairs that they were made from, ``photo`` and ``mask``.
        draws: float32 (batch, 4), uniform in [−1, 1), from which chance is taken.
        random_background: share of the photos in which ``photo``, but not ``segmented``, gets the background of
            another photo of the batch; that photo's own person is filled in. A photo without a person keeps its
            background, and gives it to none.
        drop_view: share of the photos in which ``photo`` or ``segmented``, each half of the time, is white.

    Returns:
        The views, of the same shapes and dtypes.
    """
    background, other, drop, which = tf.unstack((draws + 1) / 2, axis=1)  # in [0, 1)
    varied = dict(views)
    if random_background:
        photos, masks = pairs["photo"], pairs["mask"]
        others = tf.argsort(other)  # a random order of the batch
        usable = shows_background(masks)
        swaps = (background < random_background) & usable & tf.gather(usable, others)
        swapped = swap_background(photos, masks, tf.gather(photos, others), tf.gather(masks, others))
        varied["photo"] = tf.where(swaps[:, None, None, None], swapped, photos)
    if drop_view:
        for view, chosen in (("photo", which < 0.5), ("segmented", which >= 0.5)):
            is_missing = (drop < drop_view) & chosen
            varied[view] = tf.where(is_missing[:, None, None, None], tf.cast(_BLANK, tf.uint8), varied[view])
    return varied
