"""Explain the tags of photos: a picture for each photo and attribute."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.explanation.contributions import Contributions, contributions
from keras_sister.explanation.heat_maps import heat_map
from keras_sister.explanation.picture import Panel, draw_explanation
from keras_sister.explanation.score import check_class
from keras_sister.explanation.source import models_for, preprocessor_for
from keras_sister.models.saved import schema_of
from keras_sister.photo_files import printable_path
from keras_sister.storage.atomic import write_atomically


@dataclass(frozen=True)
class Explanation:
    """One attribute of one photo, explained.

    Attributes:
        photo: the photo file.
        model: the file of the model.
        note: what the reader must know about model and photo, or empty.
        attribute: name of the attribute.
        parts: the score and its parts, of a batch of one.
        picture: the PNG with the heat maps.
    """

    photo: Path
    model: str
    note: str
    attribute: str
    parts: Contributions
    picture: Path

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        towers = self.parts.towers
        return {
            "photo": printable_path(str(self.photo)),
            "model": self.model,
            "note": self.note,
            "attribute": self.attribute,
            "class": self.parts.classes[0],
            "probability": float(self.parts.probability[0]),
            "logit": float(self.parts.score[0]),
            "bias": float(self.parts.bias[0]),
            "contributions": None if towers is None else {name: float(part[0]) for name, part in towers.items()},
            "reason": self.parts.reason,
            "picture": printable_path(str(self.picture)),
        }


def explain_photos(
    source: Path,
    photos: Sequence[Path],
    out: Path,
    *,
    attributes: Sequence[str],
    class_name: str | None = None,
    method: str = "gradient",
    segmenter: str | None = None,
) -> Iterator[Explanation | InputError]:
    """Explain attributes of photos, and write ``PHOTO-ATTRIBUTE.png`` for each into a folder.

    Args:
        source: a ``.keras`` file, or the folder of a run of ``train`` or ``cv``; see
            `keras_sister.explanation.source.models_for`.
        photos: photo files.
        out: the folder, created if it is missing; pictures of an earlier call are replaced.
        attributes, class_name, method: see `keras_sister.explanation.heat_maps.heat_map`.
        segmenter: see `keras_sister.explanation.source.preprocessor_for`.

    Yields:
        An `Explanation` for each photo and attribute, or the error of a photo that cannot be read.

    Raises:
        InputError: if there is no model, or for an unknown attribute or class, before a photo is read.
    """
    pictures = _names(photos)
    for chosen in models_for(source, photos):
        model = chosen.load()
        for name in attributes:
            attribute = schema_of(model).attribute(name)
            if class_name is not None:
                check_class(attribute, class_name)
        preprocessor = preprocessor_for(source, model, segmenter)
        for photo in chosen.photos:
            try:
                views = preprocessor.load([photo])
            except InputError as error:
                yield error
                continue
            for name in attributes:
                parts, picture = draw_photo(model, views, photo, attribute=name, class_name=class_name, method=method)
                file = out / f"{pictures[photo]}-{name}.png"
                _save(picture, file)
                yield Explanation(photo, chosen.name, chosen.note, name, parts, file)


def draw_photo(
    model: keras.Model,
    views: dict[str, Any],
    photo: Path,
    *,
    attribute: str,
    class_name: str | None = None,
    method: str = "gradient",
    calibrated: float | None = None,
) -> tuple[Contributions, Image.Image]:
    """Explain one attribute of one photo.

    Args:
        model, attribute, class_name, method: see `keras_sister.explanation.heat_maps.heat_map`.
        views: the model's inputs, a batch of one.
        photo: its file, which is named in the picture.
        calibrated: the class's calibrated probability, if the reader knows that one.

    Returns:
        The parts of the score, and the picture with the heat maps.

    Raises:
        InputError: as `keras_sister.explanation.heat_maps.heat_map` does.
    """
    parts = contributions(model, views, attribute=attribute, class_name=class_name)
    maps = heat_map(model, views, attribute=attribute, class_name=class_name, method=method)
    return parts, draw_explanation(_lines(photo, attribute, parts, calibrated), _panels(views, maps, parts))


def _save(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, lambda path: picture.save(path, "PNG"))


def _names(photos: Sequence[Path]) -> dict[Path, str]:
    """A name without suffix for each photo; photos of one name in different folders get a number."""
    names: dict[Path, str] = {}
    for photo in dict.fromkeys(photos):
        numbered = itertools.chain([photo.stem], (f"{photo.stem}-{number}" for number in itertools.count(2)))
        names[photo] = next(name for name in numbered if name not in names.values())
    return names


def _lines(photo: Path, attribute: str, parts: Contributions, calibrated: float | None) -> list[str]:
    probability = f"{100 * parts.probability[0]:.1f} %"
    if calibrated is not None:
        probability = f"{100 * calibrated:.1f} % ({probability} before calibration)"
    found = f"{attribute}: {parts.classes[0]} {probability}, logit {parts.score[0]:+.3f}"
    if parts.towers is None:
        return [printable_path(photo.name), found, f"no contributions: {parts.reason}"]
    of = "".join(f", {name} {part[0]:+.3f}" for name, part in parts.towers.items())
    return [printable_path(photo.name), found, f"= bias {parts.bias[0]:+.3f}{of}"]


def _panels(views: dict[str, np.ndarray], maps: dict[str, np.ndarray], parts: Contributions) -> list[Panel]:
    towers = parts.towers or {}
    titles = {view: f"{view}: contributes {towers[view][0]:+.3f}" if view in towers else view for view in maps}
    return [Panel(titles[view], views[view][0], heat[0]) for view, heat in maps.items()]
