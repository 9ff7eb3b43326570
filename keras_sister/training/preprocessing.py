"""The preprocessor of an experiment."""

from keras_sister.config import Experiment
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.open import open_segmenter


def preprocessor_of(experiment: Experiment) -> Preprocessor:
    """The preprocessor of an experiment, with its segmenter if its system needs masks.

    Raises:
        InputError: if the segmenter cannot be opened.
    """
    segmenter = None
    if experiment.needs_masks:
        segmenter = open_segmenter(experiment.segmenter, keep_largest=experiment.keep_largest, margin=experiment.margin)
    return Preprocessor(
        segmenter,
        size=experiment.size,
        views=experiment.views,
        background=experiment.background,
        edges=experiment.edges,
        min_person_share=experiment.min_person_share,
    )
