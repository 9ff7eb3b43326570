"""Where in a photo the person is: segmenters, and painting the background over."""

from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.segmenter import Segmenter


def open_segmenter(spec: str) -> Segmenter:
    """The segmenter that ``--segmenter`` names.

    Args:
        spec: ``selfie`` for MediaPipe's, with ``selfie:FILE`` from a file of your own; ``masks:FOLDER`` for masks made
            elsewhere; or a folder made by ``sister-keras segment train``.

    Raises:
        InputError: if there is no such segmenter, or its weights cannot be had.
    """
    kind, colon, place = spec.partition(":")
    if kind == "selfie":
        from keras_sister.segmentation.selfie import SelfieSegmenter, find_weights

        return SelfieSegmenter(Path(place) if colon else find_weights())
    if colon and kind == "masks":
        from keras_sister.segmentation.masks import MaskFolder

        return MaskFolder(place)
    if Path(spec).is_dir():
        from keras_sister.segmentation.fcn_folder import load

        return load(Path(spec))
    raise InputError(
        f"{spec}: no segmenter; give selfie, a folder made by 'sister-keras segment train', or masks:FOLDER."
    )
