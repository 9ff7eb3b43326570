"""The pictures of the page: both views of a photo, small, as JPEGs inside the HTML."""

from collections.abc import Iterable

import keras
from PIL import Image

from keras_sister.data.view_store import ViewPairs, ViewStore
from keras_sister.errors import InputError
from keras_sister.report.thumbnail import data_uri, thumbnail
from keras_sister.run import Run
from keras_sister.segmentation.compositing import composite
from keras_sister.training.trained import preprocessor_of_run


def thumbnails(run: Run, rows: Iterable[int]) -> dict[int, dict[str, str]]:
    """Both views of some photos of a run, from the view store; what is no longer there is made again.

    Args:
        run: the run.
        rows: rows of its photos.

    Returns:
        By row and view (``photo``, and ``person`` if the system takes masks) the ``data:`` URI of a JPEG.

    Raises:
        InputError: if a photo is neither in the view store nor readable, or has changed.
    """
    found = view_pictures(run, rows)
    return {row: {view: data_uri(picture) for view, picture in views.items()} for row, views in found.items()}


def view_pictures(run: Run, rows: Iterable[int]) -> dict[int, dict[str, Image.Image]]:
    """The same as pictures, of at most `keras_sister.report.thumbnail.LARGEST` pixels.

    Raises:
        InputError: as `thumbnails` does.
    """
    wanted = sorted(set(rows))
    if not wanted:
        return {}
    return dict(zip(wanted, _all_views(run, wanted), strict=True))


def _all_views(run: Run, rows: list[int]) -> list[dict[str, Image.Image]]:
    pairs, experiment = _view_pairs(run, rows), run.experiment
    every = range(len(rows))
    photos = pairs.photos(every)
    views = {"photo": photos}
    if experiment.needs_masks:
        person = composite(photos, pairs.masks(every), experiment.background, experiment.edges)
        views["person"] = keras.ops.convert_to_numpy(person)
    return [{view: thumbnail(Image.fromarray(images[i])) for view, images in views.items()} for i in every]


def _view_pairs(run: Run, rows: list[int]) -> ViewPairs:
    photo_keys, photos = run.photo_keys, run.photos
    keys, files = [photo_keys[row] for row in rows], [photos[row] for row in rows]
    store = ViewStore(run.experiment.size, run.views["fingerprint"])
    try:
        return store.open(keys, files)
    except InputError:  # the cache was cleared, or is on another machine
        found = store.fill(files, preprocessor_of_run(run))
    for file, then, now in zip(files, keys, found, strict=True):
        if then != now:
            raise InputError(f"{file}: changed since {run.folder} was started.")
    return store.open(keys, files)
