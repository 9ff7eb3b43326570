"""What the page needs of a model, for exports, runs and ``.keras`` files alike."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.evaluation.decisions import decide
from keras_sister.evaluation.thresholds import read_rules
from keras_sister.explanation.explain import draw_photo
from keras_sister.explanation.source import Chosen, models_for, preprocessor_for
from keras_sister.models.saved import schema_of
from keras_sister.photo_files import read_photo
from keras_sister.photo_kinds import why_not_decoded
from keras_sister.run import Run
from keras_sister.schema import Schema
from keras_sister.serving.predictions import Prediction, to_predictions, to_tags
from keras_sister.serving.tagger import Tagger


@dataclass(frozen=True)
class ShownTag:
    """One attribute of a photo.

    Attributes:
        attribute: its name.
        value: the class with the highest probability, or the one that the model's thresholds decided for.
        probability: its probability, in [0, 1]; calibrated if the model has thresholds.
        sure: False where they leave the attribute undecided.
    """

    attribute: str
    value: str
    probability: float
    sure: bool = True


@dataclass(frozen=True)
class Shown:
    """What the page shows of a photo.

    Attributes:
        tags: one per attribute, in the order of the schema.
        person: the person on a plain background: uint8 array, shape (height, width, 3); None if the model takes none.
        note: what the reader must know about model and photo.
    """

    tags: list[ShownTag]
    person: np.ndarray | None
    note: str


class ShownModel(Protocol):
    """A model that the page shows.

    Attributes:
        schema: attributes and classes.
        no_heat_maps: why there are none, or empty.
    """

    schema: Schema
    no_heat_maps: str

    def show(self, photo: Path) -> Shown:
        """Tag one photo.

        Raises:
            InputError: if it cannot be read.
        """

    def heat_map(self, photo: Path, attribute: str) -> Image.Image:
        """Draw where each tower looks for the class of an attribute that `show` shows.

        Raises:
            InputError: if the photo cannot be read, or there are no heat maps.
        """


def open_shown_model(source: Path, segmenter: str | None = None) -> ShownModel:
    """Open what `sister-keras app` is given.

    Args:
        source: a folder of `sister-keras export`, a run folder, or a ``.keras`` file.
        segmenter: see `keras_sister.explanation.source.preprocessor_for`; an export has its own.

    Raises:
        InputError: if it is none of these, or incomplete.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder.")
    if source.is_dir() and not (source / "config.yaml").exists():
        if segmenter is not None:
            raise InputError("--segmenter: an export has its own segmenter; give a run or a .keras file.")
        return _Export(source)
    return _Trained(source, segmenter)


class _Export:
    """An export: its graph decodes, segments and predicts, as on a server."""

    no_heat_maps = "An export has no heat maps: open the run that it was made of, or a .keras file."

    def __init__(self, folder: Path) -> None:
        self.tagger = Tagger(folder)
        self.schema = self.tagger.schema

    def show(self, photo: Path) -> Shown:
        contents = read_photo(photo)
        outputs = self.tagger.outputs([contents])
        if not outputs["decoded"][0]:
            raise InputError(f"{photo.name}: {why_not_decoded(contents)}.")
        views = self.tagger.views([contents])
        person = views["segmented"][0].round().astype(np.uint8) if "segmented" in views else None
        (prediction,) = to_predictions(outputs, [contents], [None])
        return Shown(_tags(self.schema, prediction), person, _how_calibrated(prediction) + _whole_photo(views))

    def heat_map(self, photo: Path, attribute: str) -> Image.Image:
        raise InputError(self.no_heat_maps)


class _Trained:
    """A run, or a ``.keras`` file. A photo of a cross-validation gets the model that was not trained on it."""

    no_heat_maps = ""

    def __init__(self, source: Path, segmenter: str | None) -> None:
        self._source = source
        self._loaded: tuple[str, keras.Model] | None = None
        _, model = self._model_for(source)
        self.schema = schema_of(model)
        self._preprocessor = preprocessor_for(source, model, segmenter)
        self._rules = read_rules(Run(source)) if source.is_dir() else None

    def show(self, photo: Path) -> Shown:
        views = self._preprocessor.load([photo])
        chosen, model = self._model_for(photo)
        prediction = self._predict(views, model)
        person = views["segmented"][0] if "segmented" in views else None
        notes = [_how_calibrated(prediction), *([f"{chosen.note[0].upper()}{chosen.note[1:]}."] if chosen.note else [])]
        return Shown(_tags(self.schema, prediction), person, " ".join(notes) + _whole_photo(views))

    def heat_map(self, photo: Path, attribute: str) -> Image.Image:
        views = self._preprocessor.load([photo])
        _, model = self._model_for(photo)
        (tag,) = (tag for tag in _tags(self.schema, self._predict(views, model)) if tag.attribute == attribute)
        calibrated = None if self._rules is None else tag.probability
        return draw_photo(model, views, photo, attribute=attribute, class_name=tag.value, calibrated=calibrated)[1]

    def _predict(self, views: dict[str, np.ndarray], model: keras.Model) -> Prediction:
        logits = keras.ops.convert_to_numpy(model(views, training=False))
        probabilities = {name: values[0] for name, values in self.schema.probabilities(logits).items()}
        decided = [None, None] if self._rules is None else [of[0] for of in decide(self.schema, self._rules, logits)]
        return Prediction(probabilities, None, None, None, *decided)

    def _model_for(self, photo: Path) -> tuple[Chosen, keras.Model]:
        """The model for a photo, loaded unless it is the last one used."""
        (chosen,) = models_for(self._source, [photo])
        loaded = self._loaded  # another visitor's photo may replace it meanwhile
        if loaded is None or loaded[0] != chosen.name:
            loaded = self._loaded = (chosen.name, chosen.load())
        return chosen, loaded[1]


def _tags(schema: Schema, prediction: Prediction) -> list[ShownTag]:
    return [
        ShownTag(name, tag.value, tag.probability, tag.sure)
        for name, tag in to_tags(schema, "", prediction).attributes.items()
    ]


def _how_calibrated(prediction: Prediction) -> str:
    return f"Probabilities are {'not ' if prediction.confidence is None else ''}calibrated."


def _whole_photo(views: dict[str, np.ndarray]) -> str:
    whole = "segmented" in views and np.array_equal(views["segmented"], views["photo"])
    return " No person was found: the person's view is the whole photo." if whole else ""
