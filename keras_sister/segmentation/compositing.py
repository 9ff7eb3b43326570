"""Background removal: keep the person, replace the background. On every Keras backend, and in its graphs."""

from typing import Any

import keras

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


def composite(photos: Any, masks: Any, background: str, edges: str = "hard") -> Any:
    """Keep the pixels of the person and replace the others by the background.

    A photo in which no person is found stays unchanged, because an empty image would hold no information.

    Args:
        photos: uint8 array or tensor, shape (batch, height, width, 3), RGB.
        masks: uint8 array or tensor, shape (batch, height, width, 1), 255 = person. A photo whose mask stays below 128
            has no person.
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
    photos, masks = keras.ops.convert_to_tensor(photos), keras.ops.convert_to_tensor(masks)
    person = masks >= 128
    nobody = keras.ops.logical_not(keras.ops.any(person, axis=(1, 2, 3), keepdims=True))
    behind = _background(photos, background)
    if edges == "hard":
        return keras.ops.where(keras.ops.logical_or(person, nobody), photos, behind)
    share = keras.ops.where(nobody, 1.0, keras.ops.cast(masks, "float32") / 255)
    mixed = share * keras.ops.cast(photos, "float32") + (1 - share) * keras.ops.cast(behind, "float32")
    return keras.ops.cast(keras.ops.round(mixed), "uint8")


def _background(photos: Any, background: str) -> Any:
    """The background: uint8, of the shape of `photos` or one that broadcasts to it."""
    if background in ("white", "black"):
        return keras.ops.cast({"white": 255, "black": 0}[background], "uint8")
    levels = keras.ops.cast(photos, "float32")
    if background == "mean":
        levels = keras.ops.mean(levels, axis=(1, 2), keepdims=True)
    else:
        small = resize_linearly(levels, (_BLURRED_SIZE, _BLURRED_SIZE), antialias=True)
        levels = resize_linearly(small, keras.ops.shape(photos)[1:3])
    return keras.ops.cast(keras.ops.round(levels), "uint8")


def resize_linearly(levels: Any, size: Any, *, antialias: bool = False) -> Any:
    """Resize a batch of images, float32 (batch, height, width, channels), to ``size``, height and width."""
    return keras.ops.image.resize(levels, size, antialias=antialias, data_format="channels_last")
