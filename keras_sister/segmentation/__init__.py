"""Where in a photo the person is: segmenters, and painting the background over."""

from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.segmenter import Segmenter


def open_segmenter(spec: str, *, keep_largest: bool = False, margin: int = 0) -> Segmenter:
    """The segmenter that ``--segmenter`` names.

    Args:
        spec: ``selfie`` for MediaPipe's, with ``selfie:FILE`` from a file of your own; ``saved_model:PATH`` or
            ``hub:HANDLE`` (see `keras_sister.segmentation.saved_model`); ``deeplab:PRESET`` of KerasHub;
            ``masks:FOLDER`` for masks made elsewhere; or a folder made by ``sister-keras segment train`` or ``import``.
        keep_largest, margin: how its masks are mended, see `keras_sister.segmentation.refined.Refined`.

    Raises:
        InputError: if there is no such segmenter, or its weights cannot be had.
    """
    segmenter = _open(spec)
    if keep_largest or margin:
        from keras_sister.segmentation.refined import Refined

        return Refined(segmenter, keep_largest=keep_largest, margin=margin)
    return segmenter


def _open(spec: str) -> Segmenter:
    kind, colon, place = spec.partition(":")
    if kind == "selfie":
        from keras_sister.segmentation.selfie import SelfieSegmenter, find_weights

        return SelfieSegmenter(Path(place) if colon else find_weights())
    if colon and kind in ("saved_model", "hub"):
        from keras_sister.segmentation.saved_model import open_saved_model

        return open_saved_model(spec)
    if colon and kind == "deeplab":
        from keras_sister.segmentation.deeplab import from_preset

        return from_preset(place)
    if colon and kind == "masks":
        from keras_sister.segmentation.masks import MaskFolder

        return MaskFolder(place)
    if Path(spec).is_dir():
        from keras_sister.segmentation.network_folder import load

        return load(Path(spec))
    raise InputError(
        f"{spec}: no segmenter; give selfie, a folder made by 'sister-keras segment train', masks:FOLDER,"
        " saved_model:PATH, hub:HANDLE or deeplab:PRESET."
    )
