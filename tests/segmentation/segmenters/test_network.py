import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.segmentation.networks.fcn8s import fcn8s
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, load_segmenter, save_segmenter
from keras_sister.segmentation.segmenters.open import open_segmenter

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def segmenter() -> NetworkSegmenter:
    keras.utils.set_random_seed(0)
    model = fcn8s(classes=2, width=1 / 16)
    for layer in model.layers:
        if layer.name.startswith("score_"):
            layer.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in layer.get_weights()])
    return NetworkSegmenter(model, size=48)


def test_it_is_the_probability_of_the_person(segmenter):
    logits = segmenter.model(PHOTOS.astype(np.float32)).numpy()
    expected = np.exp(logits[..., 1]) / np.exp(logits).sum(axis=-1)
    for photos in (tf.constant(PHOTOS), tf.constant(PHOTOS, tf.float32)):
        found = segmenter(photos)
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)
    in_graph = tf.function(segmenter)(tf.constant(PHOTOS))
    np.testing.assert_allclose(in_graph[..., 0], expected, atol=1e-5)


def test_what_is_saved_is_loaded(segmenter, tmp_path):
    save_segmenter(tmp_path, segmenter, {"person_iou": 0.9})
    again = open_segmenter(str(tmp_path))
    assert (again.size, again.fingerprint) == (48, segmenter.fingerprint)
    np.testing.assert_array_equal(again(tf.constant(PHOTOS)), segmenter(tf.constant(PHOTOS)))
    assert json.loads((tmp_path / "segmenter.json").read_text())["scores"] == {"person_iou": 0.9}


def test_the_optimizer_is_not_saved(tmp_path):
    model = fcn8s(classes=2, width=1 / 16)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "whole.keras")
    save_segmenter(tmp_path, NetworkSegmenter(model, size=48), {})
    sizes = []
    for name in ("model.keras", "whole.keras"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            sizes.append(archive.getinfo("model.weights.h5").file_size / (4 * model.count_params()))
    assert sizes[0] < 1.5
    assert sizes[1] > 2.5


def test_the_fingerprint_follows_weights_size_and_class(segmenter):
    model = keras.models.clone_model(segmenter.model)
    model.set_weights(segmenter.model.get_weights())
    assert NetworkSegmenter(model, size=48).fingerprint == segmenter.fingerprint
    others = {NetworkSegmenter(model, size=64).fingerprint, NetworkSegmenter(model, size=48, person=(0,)).fingerprint}
    model.set_weights([weight + 1e-6 for weight in model.get_weights()])
    others.add(NetworkSegmenter(model, size=48).fingerprint)
    assert len(others - {segmenter.fingerprint}) == 3


def damage(folder: Path, how: str) -> None:
    if how == "no model":
        (folder / "model.keras").unlink()
    elif how == "half a model":
        (folder / "model.keras").write_bytes((folder / "model.keras").read_bytes()[:900])
    elif how == "a model with a hole":
        contents = bytearray((folder / "model.keras").read_bytes())
        middle = len(contents) // 2
        contents[middle : middle + 40] = bytes(40)
        (folder / "model.keras").write_bytes(contents)
    elif how == "no description":
        (folder / "segmenter.json").unlink()
    elif how == "broken description":
        (folder / "segmenter.json").write_text("{")
    elif how == "poor description":
        (folder / "segmenter.json").write_text("{}")
    else:
        content = json.loads((folder / "segmenter.json").read_text())
        (folder / "segmenter.json").write_text(json.dumps({**content, "fingerprint": "fcn8s:other"}))


@pytest.mark.parametrize(
    "how",
    [
        "no model",
        "half a model",
        "a model with a hole",
        "no description",
        "broken description",
        "poor description",
        "another model",
    ],
)
def test_a_damaged_folder_is_named(how, segmenter, tmp_path):
    save_segmenter(tmp_path, segmenter, {})
    damage(tmp_path, how)
    with pytest.raises(InputError, match=str(tmp_path)):
        load_segmenter(tmp_path)
