"""Score a segmenter against ground-truth masks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_sister.data.segmentation.dataset import VOID, SegmentationDataset, resize_label_map
from keras_sister.evaluation.mask_scores import MaskScores
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmented_photo import PixelClassifier, segment_photo
from keras_sister.segmentation.segmenters.network import NetworkSegmenter
from keras_sister.segmenter import Segmenter


def score_segmenter(
    segmenter: Segmenter, dataset: SegmentationDataset, *, on_photo: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Segment the held-out photos, each at its own size, and compare with the ground truth.

    Args:
        segmenter: any. A network with the dataset's classes is scored on all of them, any other segmenter on person
            and background.
        dataset: the dataset; only its held-out photos are used.
        on_photo: called after each photo.

    Returns:
        The scores of `keras_sister.evaluation.mask_scores.MaskScores.result`; under ``background`` those of
        predicting background everywhere; the number of ``photos`` and of ``classes``.

    Raises:
        InputError: if a photo or its mask cannot be read.
    """
    network = segmenter if isinstance(segmenter, NetworkSegmenter) and segmenter.classes == dataset.classes else None
    classes, person = (len(dataset.classes), dataset.person) if network else (2, (1,))
    classify = PixelClassifier(network) if network else None
    preprocessor = Preprocessor(segmenter, size=None, views=("segmented",), min_person_share=0)  # score every pixel
    ours, nothing = MaskScores(classes, person), MaskScores(classes, person)
    for row in dataset.held_out:
        photo, truth = dataset.photos[row], dataset.labels(row)
        if classify:
            predicted = classify(photo)
        else:
            predicted = segment_photo(preprocessor, photo).person.astype(np.uint8)
            truth = np.where(truth == VOID, VOID, np.isin(truth, dataset.person)).astype(np.uint8)
        truth = resize_label_map(truth, *predicted.shape)
        ours.add(truth, predicted)
        nothing.add(truth, np.zeros_like(truth))
        on_photo()
    return {
        **ours.result(),
        "background": nothing.result(),
        "photos": len(dataset.held_out),
        "classes": classes,
    }
