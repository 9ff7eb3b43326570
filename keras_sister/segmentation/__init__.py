"""Where in a photo the person is: segmenters, and painting the background over."""

from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.segmenter import Segmenter


def open_segmenter(spec: str) -> Segmenter:
    """The segmenter that ``--segmenter`` names.

    Args:
        spec: ``masks:FOLDER`` for masks made elsewhere, or a folder made by ``sister-keras segment train``.

    Raises:
        InputError: if there is no such segmenter.
    """
    kind, colon, place = spec.partition(":")
    if colon and kind == "masks":
        from keras_sister.segmentation.masks import MaskFolder

        return MaskFolder(place)
    if Path(spec).is_dir():
        from keras_sister.segmentation.fcn_folder import load

        return load(Path(spec))
    raise InputError(f"{spec}: no segmenter; give a folder made by 'sister-keras segment train', or masks:FOLDER.")
