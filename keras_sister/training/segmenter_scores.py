"""Score a segmenter on photos whose pixels are known."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_sister.data.pixels import VOID, PixelDataset, resized
from keras_sister.segmentation.mask_scores import MaskScores
from keras_sister.segmentation.network_folder import NetworkSegmenter
from keras_sister.segmentation.photo import classify_photo, segment_photo
from keras_sister.segmenter import Segmenter


def score_segmenter(
    segmenter: Segmenter, dataset: PixelDataset, *, on_photo: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Segment the photos that are held out, each at its own size, and compare.

    Args:
        segmenter: any. One that tells the data's classes apart is scored on all of them, any other on person and
            background.
        dataset: whose held-out photos are looked at.
        on_photo: called after each.

    Returns:
        The scores of `keras_sister.segmentation.mask_scores.MaskScores.result`; those of an answer that is background
        everywhere under ``background``; the number of ``photos`` and of ``classes``.

    Raises:
        InputError: if a photo or its mask cannot be read.
    """
    network = segmenter if isinstance(segmenter, NetworkSegmenter) and segmenter.classes == dataset.classes else None
    classes, person = (len(dataset.classes), dataset.person) if network else (2, (1,))
    ours, nothing = MaskScores(classes, person), MaskScores(classes, person)
    for row in dataset.held_out:
        photo, truth = dataset.photos[row], dataset.labels(row)
        if network:
            found = classify_photo(network, photo)
        else:
            found = segment_photo(segmenter, photo).person.astype(np.uint8)
            truth = np.where(truth == VOID, VOID, np.isin(truth, dataset.person)).astype(np.uint8)
        truth = resized(truth, *found.shape)
        ours.add(truth, found)
        nothing.add(truth, np.zeros_like(truth))
        on_photo()
    return {
        **ours.result(),
        "background": nothing.result(),
        "photos": len(dataset.held_out),
        "classes": classes,
    }
