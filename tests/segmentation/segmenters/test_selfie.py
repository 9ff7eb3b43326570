import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import cbook
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.segmentation.importers.tflite import read_tflite
from keras_sister.segmentation.segmenters.open import open_segmenter
from keras_sister.segmentation.segmenters.selfie import SELFIE, SelfieSegmenter, find_weights


@pytest.fixture(scope="session")
def photos(dataset_folder) -> np.ndarray:
    """Grace Hopper, whose photograph comes with matplotlib, and two drawn ones."""
    files = [
        cbook.get_sample_data("grace_hopper.jpg", asfileobj=False),
        *sorted((dataset_folder / "images").iterdir())[:2],
    ]
    return np.stack([np.asarray(Image.open(file).convert("RGB").resize((256, 256))) for file in files])


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_it_says_what_the_litert_interpreter_says(selfie_weights, photos):
    interpreter = tf.lite.Interpreter(str(selfie_weights))
    interpreter.allocate_tensors()
    (asked,), (answered) = interpreter.get_input_details(), interpreter.get_output_details()[0]
    noise = np.random.default_rng(0).integers(0, 256, photos[:2].shape).astype(np.uint8)
    segmenter = SelfieSegmenter(selfie_weights)
    for images in (noise, photos):
        masks = segmenter(images).numpy()
        assert masks.shape == (len(images), 256, 256, 1)
        for image, mask in zip(images, masks, strict=True):
            interpreter.set_tensor(asked["index"], image[None].astype(np.float32) / 255)
            interpreter.invoke()
            np.testing.assert_allclose(mask, interpreter.get_tensor(answered["index"])[0], atol=1e-3)
    assert masks.std() > 0.01  # or equality would say nothing


def test_it_finds_grace_hopper_and_not_the_flag(selfie_weights, photos):
    mask = SelfieSegmenter(selfie_weights)(photos[:1]).numpy()[0, :, :, 0]
    assert mask[160:, 100:160].min() > 0.9  # her uniform
    assert mask[:100, :50].mean() < 0.01  # the flag
    assert mask[:100, 210:].mean() < 0.01  # the blue wall


def test_the_network_is_an_ordinary_keras_model(selfie_weights, photos, tmp_path):
    model = read_tflite(selfie_weights, name="selfie")
    model.save(tmp_path / "selfie.keras")
    images = photos.astype(np.float32) / 255
    loaded = keras.saving.load_model(tmp_path / "selfie.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


def test_a_file_of_ones_own_takes_its_place(selfie_weights, tmp_path):
    own = tmp_path / "own.tflite"
    own.write_bytes(selfie_weights.read_bytes())
    assert open_segmenter(f"selfie:{own}").fingerprint == f"selfie:{SELFIE.sha256}"


def test_an_installed_mediapipe_is_asked_first(selfie_weights, tmp_path, monkeypatch):
    package = tmp_path / "mediapipe"
    (package / "modules" / "selfie_segmentation").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "modules" / "selfie_segmentation" / "selfie_segmentation.tflite").write_bytes(
        selfie_weights.read_bytes()
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")  # nothing can be fetched
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert find_weights() == SELFIE.cached
    assert SELFIE.cached.read_bytes() == selfie_weights.read_bytes()


def test_where_nothing_can_be_fetched_every_way_is_told(tmp_path):
    program = "from keras_sister.segmentation.segmenters.open import open_segmenter; open_segmenter('selfie')"
    nowhere = {"https_proxy": "http://127.0.0.1:1", "PIP_INDEX_URL": "http://127.0.0.1:1", "PIP_NO_INDEX": "1"}
    environment = {**os.environ, **nowhere, "KERAS_SISTER_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    message = done.stderr[done.stderr.index("InputError") :]
    for way in ("installed mediapipe:", "download:", "pip:", "selfie:FILE"):
        assert way in message


@pytest.mark.parametrize(
    ("contents", "fault"), [(b"", "not a .tflite file"), (b"\x1c\x00\x00\x00XXXX", "not a .tflite file")]
)
def test_what_is_no_network_is_refused(tmp_path, contents, fault):
    (tmp_path / "x.tflite").write_bytes(contents)
    with pytest.raises(InputError, match=f"x.tflite: {fault}"):
        SelfieSegmenter(tmp_path / "x.tflite")


def test_a_damaged_file_is_refused(selfie_weights, tmp_path):
    (tmp_path / "x.tflite").write_bytes(selfie_weights.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"x.tflite: damaged"):
        SelfieSegmenter(tmp_path / "x.tflite")


def test_another_network_is_refused(tmp_path):
    pixels = keras.Input((8, 8, 3))
    converted = tf.lite.TFLiteConverter.from_keras_model(keras.Model(pixels, keras.ops.tanh(pixels))).convert()
    (tmp_path / "x.tflite").write_bytes(converted)
    with pytest.raises(InputError, match=r"x.tflite: unsupported operation TANH"):
        SelfieSegmenter(tmp_path / "x.tflite")
