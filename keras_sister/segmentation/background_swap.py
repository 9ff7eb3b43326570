"""A person in front of another photo's background, and masks that are too small or too large.

On every Keras backend, and in its graphs. Images are uint8 arrays or tensors.
"""

from typing import Any

import keras

from keras_sister.segmentation.compositing import resize_linearly
from keras_sister.segmentation.dilation import dilate

_FAINT = 26
"""A pixel that is person by a tenth or more may show the person: it is not kept as background."""

_LEAST_BACKGROUND = 0.1
"""The smallest share of a photo that can give its background to another."""


def swap_background(photos: Any, masks: Any, others: Any, other_masks: Any) -> Any:
    """Put the persons of photos in front of the backgrounds of other photos.

    A pixel is person where the mask is at least 128, as for hard edges, so nothing of the old background stays. Of the
    other photo only what is background shows: its own person is filled in, see `background_of`.

    Args:
        photos: uint8 tensor, shape (batch, height, width, 3), RGB.
        masks: uint8 tensor, shape (batch, height, width, 1), 255 = person.
        others: photos with the new backgrounds, of the shape of `photos`.
        other_masks: their masks.

    Returns:
        uint8 tensor of the shape of `photos`.

    Example:
        >>> swapped = swap_background(photos, masks, photos[::-1], masks[::-1])
    """
    is_person = keras.ops.convert_to_tensor(masks) >= 128
    return keras.ops.where(is_person, photos, background_of(others, other_masks))


def background_of(photos: Any, masks: Any) -> Any:
    """Fill in the persons of photos with the colours around them.

    Hidden are the pixels that are person by a tenth or more, and a margin of 1/56 of the photo's side (4 pixels of
    224), because masks miss hair and edges. They are filled from coarse to fine by push-pull interpolation (Gortler et
    al., "The Lumigraph", SIGGRAPH 1996): the nearer the background, the finer its colours. No pixel that is hidden has
    a part in the result.

    Args:
        photos: uint8 tensor, shape (batch, height, width, 3), RGB.
        masks: uint8 tensor, shape (batch, height, width, 1), 255 = person, not all of it hidden.

    Returns:
        uint8 tensor of the shape of `photos`, unchanged outside the hidden pixels.
    """
    known = 1 - _hidden(masks)
    levels = [(keras.ops.cast(photos, "float32") * known, known)]
    while max(levels[-1][0].shape[1:3]) > 1:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    filled = levels[-1][0] / keras.ops.maximum(levels[-1][1], 1e-6)
    for colours, share in reversed(levels[:-1]):
        coarse = resize_linearly(filled, colours.shape[1:3])
        filled = keras.ops.where(share > 0, colours / keras.ops.maximum(share, 1e-6), coarse)
    return keras.ops.cast(keras.ops.round(filled), "uint8")


def shows_background(masks: Any) -> Any:
    """Which photos can give their background to another: a person was found, and a tenth of the photo is none of it.

    A photo without a person found is left out, because a person may be there.

    Args:
        masks: uint8 tensor, shape (batch, height, width, 1), 255 = person.

    Returns:
        bool tensor, shape (batch,).
    """
    background = keras.ops.mean(1 - _hidden(masks), axis=(1, 2, 3))
    has_person = keras.ops.any(keras.ops.convert_to_tensor(masks) >= 128, axis=(1, 2, 3))
    return keras.ops.logical_and(has_person, background >= _LEAST_BACKGROUND)


def eroded(masks: Any) -> Any:
    """Masks that are too small by `mask_error` pixels on each side; uint8, of the shape of `masks`."""
    return 255 - dilated(255 - masks)


def dilated(masks: Any) -> Any:
    """Masks that are too large by `mask_error` pixels on each side; uint8, of the shape of `masks`."""
    return keras.ops.cast(dilate(keras.ops.cast(masks, "float32"), mask_error(masks.shape[1])), "uint8")


def mask_error(size: int) -> int:
    """The pixels by which `eroded` and `dilated` change a mask: 1/56 of its side, 4 of 224, and at least 1."""
    return max(1, round(size / 56))


def _hidden(masks: Any) -> Any:
    """1.0 where a pixel may show the person, else 0.0: float32, of the shape of `masks`."""
    faint = keras.ops.cast(keras.ops.convert_to_tensor(masks) >= _FAINT, "float32")
    return dilate(faint, mask_error(masks.shape[1]))


def _halved(values: Any) -> Any:
    """The mean of each two by two pixels; a last row or column that is alone stays as it is."""
    return keras.ops.average_pool(values, 2, strides=2, padding="same", data_format="channels_last")
