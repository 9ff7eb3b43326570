"""A file with weights that are not numbers is refused by everything that loads weights, naming the file."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.backbones import build_backbone
from keras_sister.errors import InputError
from keras_sister.models import build, load_model
from keras_sister.schema import DCSA, Attribute, Schema
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, load_segmenter, save_segmenter
from keras_sister.segmentation.segmenters.open import open_segmenter
from keras_sister.serving.tagger import Tagger


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


def as_saved_model_segmenter(folder: Path, value: float) -> Callable[[], object]:
    saved_model(folder, value, lambda images, weight: {"mask": images[..., :1] * tf.nn.relu(weight[-1])}, tf.float32)
    return lambda: open_segmenter(f"saved_model:{folder}")


def as_foreign_export(folder: Path, value: float) -> Callable[[], object]:
    def network(contents: tf.Tensor, weight: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = tf.shape(contents)[0]
        return {"scarf": tf.fill([batch], tf.nn.sigmoid(weight[0])), "decoded": tf.fill([batch], True)}

    saved_model(folder, value, network, tf.string)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "schema.json").write_text(Schema((Attribute("scarf"),)).to_json())
    return lambda: Tagger(folder)


def saved_model(folder: Path, value: float, network: Callable[..., dict[str, tf.Tensor]], dtype: tf.DType) -> None:
    """A SavedModel with one weight, in bfloat16."""
    module = tf.Module()
    module.weight = tf.Variable(tf.cast([1.0, value], tf.bfloat16))
    photo = dtype == tf.float32
    spec = tf.TensorSpec((None, None, None, 3) if photo else (None,), dtype, "images" if photo else "image_bytes")
    serve = tf.function(lambda **inputs: network(inputs[spec.name], tf.cast(module.weight, tf.float32)))
    tf.saved_model.save(module, str(folder), signatures=serve.get_concrete_function(**{spec.name: spec}))


def spoil(model: keras.Model, value: float) -> None:
    kernel = model.weights[-1]
    values = np.array(kernel)
    values.flat[-1] = value
    kernel.assign(values)


KINDS = [as_weights, as_own_backbone, as_model, as_segmenter, as_saved_model_segmenter, as_foreign_export]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_no_numbers_are_refused(tmp_path, kind, value):
    with pytest.raises(InputError, match=rf"{tmp_path}.*has NaN or infinite values"):
        kind(tmp_path, value)()


@pytest.mark.parametrize("kind", KINDS)
def test_finite_weights_are_loaded(tmp_path, kind):
    kind(tmp_path, 0.25)()
