"""The models to explain: a ``.keras`` file, a run of ``train``, or the folds of a run of ``cv``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_sister.errors import InputError
from keras_sister.models.saved import load_model, schema_of
from keras_sister.photo_files import content_hash_or_none
from keras_sister.run import Run
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.training.trained import preprocessor_of_run, trained_model


@dataclass(frozen=True)
class Chosen:
    """A model for some photos.

    Attributes:
        name: what to call it: its file.
        load: loads it.
        photos: the photos that it explains.
        note: what the reader must know about model and photos, or empty.
    """

    name: str
    load: Callable[[], keras.Model]
    photos: list[Path]
    note: str = ""


def models_for(source: Path, photos: Sequence[Path]) -> Iterator[Chosen]:
    """The models that explain photos. Each photo is explained once.

    A photo of a run of ``cv`` (known by its content, wherever it lies) gets the model of the fold that was tested on
    it; any other photo gets the first fold's model, and `Chosen.note` says so.

    Args:
        source: a ``.keras`` file, or a run folder.
        photos: photo files.

    Raises:
        InputError: if `source` is none of these, or its model is missing.
    """
    if not source.is_dir():
        yield Chosen(str(source), lambda: _of_keras_file(source), list(photos))
        return
    run = Run(source)
    final = source / "model.keras"
    if final.exists():
        yield Chosen(str(final), lambda: trained_model(run, final), list(photos))
        return
    if not (source / "folds.json").exists():
        raise InputError(f"{source}: no model.keras and no folds.json; expected a finished run of 'train' or 'cv'.")
    by_content: dict[str | None, int] = dict(zip(run.photo_keys, range(len(run.photos)), strict=True))
    fold_of = {int(row): number for number, rows in enumerate(run.folds) for row in rows}
    rows = {photo: by_content.get(content_hash_or_none(photo)) for photo in photos}
    for number in range(len(run.folds)):
        tested = [photo for photo in photos if fold_of.get(rows[photo]) == number]  # type: ignore[arg-type]
        if tested:
            yield _fold(run, number, tested)
    trained_on = [photo for photo in photos if rows[photo] is not None and rows[photo] not in fold_of]
    if trained_on:
        yield _fold(run, 0, trained_on, "the run has no fold that was tested on it; this model may have seen it")
    others = [photo for photo in photos if rows[photo] is None]
    if others:
        yield _fold(run, 0, others, "not a photo of the run")


def _fold(run: Run, number: int, photos: list[Path], why: str = "") -> Chosen:
    fold = run.fold(number)
    weights = run.fold_weights(number)
    if not weights.exists() or not fold.predictions.exists():
        raise InputError(f"{weights}: missing; the fold has not ended, or keeps no weights.")
    note = f"{why}; by the model of {fold.name}" if why else ""
    return Chosen(str(weights), lambda: trained_model(run, weights), photos, note)


def _of_keras_file(file: Path) -> keras.Model:
    model = load_model(file, compile=False)
    schema_of(model)  # of another kind of model it raises
    return model


def preprocessor_for(source: Path, model: keras.Model, segmenter: str | None) -> Preprocessor:
    """The preprocessor of a model.

    Args:
        source: as in `models_for`. A ``.keras`` file does not say how its views were made: they get a white background
            and hard edges, the defaults.
        model: a model of `source`.
        segmenter: as ``--segmenter`` takes it; None for the run's own, or ``selfie`` for a ``.keras`` file.

    Raises:
        InputError: if the segmenter cannot be opened, or the model needs none.
    """
    views = tuple(tensor.name for tensor in model.inputs)
    if segmenter and views == ("photo",):
        raise InputError(f"--segmenter: {source} takes the photo only, and needs no segmenter.")
    if source.is_dir():
        return preprocessor_of_run(Run(source), segmenter)
    needed = None if views == ("photo",) else segmenter or "selfie"
    return Preprocessor(needed, size=model.inputs[0].shape[1], views=views)
