"""Variation of a model's views in training: other backgrounds, and a view that is missing.

Flips, shifts and light, which change both views alike, come before, see `keras_sister.data.augment`. Both compute on
every Keras backend, and in its graphs.
"""

from typing import Any

import keras

from keras_sister.data.image_store import Images
from keras_sister.segmentation.background_swap import shows_background, swap_background

_BLANK = 255
"""The level of a view that is missing: white, as the background of a person."""


def vary_views(
    views: Images, pairs: Images, draws: Any, *, random_background: float = 0.0, drop_view: float = 0.0
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
    background, other, drop, which = keras.ops.unstack((draws + 1) / 2, axis=1)  # in [0, 1)
    varied = dict(views)
    if random_background:
        photos, masks = pairs["photo"], pairs["mask"]
        others = keras.ops.argsort(other)  # a random order of the batch
        usable = shows_background(masks)
        both_usable = keras.ops.logical_and(usable, keras.ops.take(usable, others, axis=0))
        swaps = keras.ops.logical_and(background < random_background, both_usable)
        of_others = (keras.ops.take(images, others, axis=0) for images in (photos, masks))
        swapped = swap_background(photos, masks, *of_others)
        varied["photo"] = keras.ops.where(swaps[:, None, None, None], swapped, photos)
    if drop_view:
        for view, chosen in (("photo", which < 0.5), ("segmented", which >= 0.5)):
            is_missing = keras.ops.logical_and(drop < drop_view, chosen)[:, None, None, None]
            varied[view] = keras.ops.where(is_missing, keras.ops.cast(_BLANK, "uint8"), varied[view])
    return varied
