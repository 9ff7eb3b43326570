"""A file with weights that are not numbers is refused by everything that loads weights, naming the file."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_sister.backbones import build_backbone
from keras_sister.errors import InputError
from keras_sister.models import build, load_model
from keras_sister.schema import DCSA
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, load_segmenter, save_segmenter


def mini() -> keras.Model:
    return build_backbone("resnet_mini", size=32, weights="none")


def as_weights(folder: Path, value: float) -> Callable[[], object]:
    backbone = mini()
    spoil(backbone, value)
    backbone.save_weights(folder / "mini.weights.h5")
    return lambda: build_backbone("resnet_mini", size=32, weights=folder / "mini.weights.h5")


def as_own_backbone(folder: Path, value: float) -> Callable[[], object]:
    backbone = mini()
    spoil(backbone, value)
    backbone.save(folder / "own.keras")
    return lambda: build_backbone(str(folder / "own.keras"), size=32)


def as_model(folder: Path, value: float) -> Callable[[], object]:
    model = build("baseline", DCSA, size=32, backbone="resnet_mini", weights="none")
    spoil(model, value)
    model.save(folder / "model.keras")
    return lambda: load_model(folder / "model.keras")


def as_segmenter(folder: Path, value: float) -> Callable[[], object]:
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    spoil(model, value)
    save_segmenter(folder, NetworkSegmenter(model, size=32), None)
    return lambda: load_segmenter(folder)


def spoil(model: keras.Model, value: float) -> None:
    kernel = model.weights[-1]
    values = np.array(kernel)
    values.flat[-1] = value
    kernel.assign(values)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [as_weights, as_own_backbone, as_model, as_segmenter])
def test_weights_that_are_no_numbers_are_refused(tmp_path, kind, value):
    with pytest.raises(InputError, match=rf"{tmp_path}.*has NaN or infinite values"):
        kind(tmp_path, value)()


@pytest.mark.parametrize("kind", [as_weights, as_own_backbone, as_model, as_segmenter])
def test_finite_weights_are_loaded(tmp_path, kind):
    kind(tmp_path, 0.25)()
