"""Open the segmenter that ``--segmenter`` names."""

from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.segmenter import Segmenter


def open_segmenter(spec: str, *, keep_largest: bool = False, margin: int = 0) -> Segmenter:
    """Open a segmenter.

    Args:
        spec: one of

            - ``selfie``: MediaPipe's selfie segmenter, downloaded on first use; ``selfie:FILE`` for a local file;
            - ``FOLDER``: a network made by ``sister-keras segment train`` or ``segment import``;
            - ``saved_model:PATH`` or ``hub:HANDLE``: see `keras_sister.segmentation.segmenters.saved_model`;
            - ``deeplab:PRESET``: a DeepLab V3+ of KerasHub;
            - ``masks:FOLDER``: masks that exist as files; ``masks:FOLDER#person=15`` for maps of class numbers.
        keep_largest: keep only the largest connected component of each mask.
        margin: dilate the mask by this many pixels, at the segmenter's size.

    Raises:
        InputError: if there is no such segmenter, or its weights cannot be loaded.

    Example:
        >>> open_segmenter("selfie")
        SelfieSegmenter(size=256)
    """
    segmenter = _open(spec)
    if keep_largest or margin:
        from keras_sister.segmentation.segmenters.postprocessing import PostprocessedSegmenter

        return PostprocessedSegmenter(segmenter, keep_largest=keep_largest, margin=margin)
    return segmenter


def check_segmenter(spec: str) -> None:
    """Refuse what `open_segmenter` could not open, as far as names and paths tell, without TensorFlow.

    Raises:
        InputError: if it is no kind of segmenter, or its file or folder is missing.
    """
    kind, colon, place = spec.partition(":")
    if kind in ("hub", "deeplab") and colon:
        return
    if kind in ("selfie", "masks", "saved_model") and colon:
        if not Path(place if kind == "selfie" else place.partition("#")[0]).exists() and not Path(place).exists():
            raise InputError(f"{spec}: no such file or folder.")
    elif kind != "selfie" and not Path(spec).is_dir():
        raise _not_a_segmenter(spec)


def _open(spec: str) -> Segmenter:
    kind, colon, place = spec.partition(":")
    if kind == "selfie":
        from keras_sister.segmentation.segmenters.selfie import SelfieSegmenter, find_weights

        return SelfieSegmenter(Path(place) if colon else find_weights())
    if colon and kind in ("saved_model", "hub"):
        from keras_sister.segmentation.segmenters.saved_model import open_saved_model

        return open_saved_model(spec)
    if colon and kind == "deeplab":
        from keras_sister.segmentation.segmenters.network import deeplab_preset_segmenter

        return deeplab_preset_segmenter(place)
    if colon and kind == "masks":
        from keras_sister.segmentation.segmenters.mask_folder import open_mask_folder

        return open_mask_folder(place)
    if Path(spec).is_dir():
        from keras_sister.segmentation.segmenters.network import load_segmenter

        return load_segmenter(Path(spec))
    raise _not_a_segmenter(spec)


def _not_a_segmenter(spec: str) -> InputError:
    return InputError(
        f"{spec}: not a segmenter; give selfie, a folder made by 'sister-keras segment train', masks:FOLDER,"
        " saved_model:PATH, hub:HANDLE or deeplab:PRESET."
    )
