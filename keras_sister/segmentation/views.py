"""The views that a model takes, from a view pair. On every Keras backend, and in its graphs."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_sister.segmentation.compositing import composite

VIEWS = ("photo", "segmented", "mask")
"""The views that a model may take."""


def make_views(pair: Mapping[str, Any], names: Sequence[str], *, background: str, edges: str) -> dict[str, Any]:
    """Make a model's inputs from a batch of view pairs.

    Args:
        pair: ``photo``, uint8 (batch, height, width, 3), RGB, and, if a view needs it, ``mask``, uint8
            (batch, height, width, 1), 255 = person; arrays or tensors.
        names: the views, some of `VIEWS`.
        background, edges: of ``segmented``, see `keras_sister.segmentation.compositing.composite`.

    Returns:
        By view uint8 tensors, (batch, height, width, 3), or (batch, height, width, 1) for ``mask``.

    Raises:
        ValueError: if a view needs the mask and `pair` has no mask.
    """
    if tuple(names) != ("photo",) and "mask" not in pair:
        raise ValueError(f"Expected a segmenter for views={tuple(names)}. Received: segmenter=None")
    made = dict(pair)
    if "segmented" in names:
        made["segmented"] = composite(pair["photo"], pair["mask"], background, edges)
    return {view: made[view] for view in names}
