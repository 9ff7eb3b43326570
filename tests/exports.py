"""Runs with a model in them, as ``sister-keras train`` leaves them, and what is exported of them; made once."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.export import keras_free_process
from keras_sister.export.export_model import Export, export_model
from keras_sister.export.export_run import export_run
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, save_segmenter
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.start import start_run
from keras_sister.training.trainer import Trainer

SCHEMA = Schema(
    (Attribute("collar"), Attribute("neckline", ("v_shape", "round", "other")), Attribute("gender", ("male", "female")))
)
SIZES = ((50, 70), (64, 64), (200, 150), (33, 99), (120, 80))


RULES = {
    "collar": {"temperature": 2.0, "threshold": 0.4, "minimum": {"no": 0.0, "yes": 0.0}},
    "neckline": {"temperature": 0.7, "threshold": None, "minimum": {"v_shape": 0.55, "round": None, "other": 0.0}},
    "gender": {"temperature": 1.5, "threshold": 0.5, "minimum": {"male": 0.62, "female": 0.6}},
}
"""Rules as a ``thresholds.json`` has them, under which some attributes of `photos` stay undecided."""


def draw(width: int, height: int, seed: int) -> Image.Image:
    """A smooth picture, so that compressing it changes little."""
    blots = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return Image.fromarray(blots).resize((width, height), Image.Resampling.BICUBIC)


def scatter(model: keras.Model, seed: int) -> None:
    """Move every weight, so that none is what a fresh model would have and each has a part in the answer."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(weight.numpy() + rng.uniform(-0.05, 0.05, weight.shape))


@pytest.fixture
def verified_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See `verify_here`."""
    verify_here(tmp_path, monkeypatch)


def verify_here(scratch: Path, patch: pytest.MonkeyPatch) -> None:
    """Exports are verified in this process, which saves a start of TensorFlow.

    For tests of something else. `sister_export` is verified as ever, and the exports of `test_segmenters_inside` are in
    one process without Keras.
    """

    def run(folder: Path, views: dict[str, np.ndarray], photos: list[Path]) -> dict[str, np.ndarray]:
        inputs, outputs = scratch / "views.npz", scratch / "outputs.npz"
        np.savez(inputs, **views)
        keras_free_process.run(*map(str, (folder, inputs, outputs, *photos)))
        inputs.unlink()
        with np.load(outputs) as found:
            arrays = dict(found)
        outputs.unlink()
        return arrays

    patch.setattr("keras_sister.export.verify._run_without_keras", run)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five photos of different sizes, one of them a PNG."""
    folder = tmp_path_factory.mktemp("photos")
    for seed, (width, height) in enumerate(SIZES):
        draw(width, height, seed).save(folder / f"{seed}.{'png' if seed == 3 else 'jpg'}")
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def fcn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of three convolutions that takes other images than the models do.

    It was never trained, but finds half a person. It builds, traces and exports in a quarter of the time of an FCN-8s.
    """
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 128, -1)(image)
    for seed, width in enumerate((8, 1)):
        start = keras.initializers.GlorotUniform(seed=seed)
        x = keras.layers.Conv2D(256, width, strides=width, use_bias=False, kernel_initializer=start)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    random = keras.initializers.RandomNormal(stddev=0.5, seed=3)
    scores = keras.layers.Conv2D(2, 1, kernel_initializer=random, name="score_fr")(x)
    model = keras.Model(image, keras.layers.UpSampling2D(8, interpolation="bilinear")(scores), name="small_fcn")
    scatter(model, seed=6)
    folder = tmp_path_factory.mktemp("fcn")
    save_segmenter(folder, NetworkSegmenter(model, size=96), {})
    return folder


def tiny_network(file: Path) -> str:
    """A backbone of one convolution, which trains and exports in less than half the time of `resnet_mini`.

    The file is written once: runs keep its hash.
    """
    if not file.exists():
        filters = keras.layers.Conv2D(16, 8, strides=8, kernel_initializer=keras.initializers.GlorotUniform(seed=0))
        layers = [keras.layers.Rescaling(1 / 255), filters, keras.layers.BatchNormalization(), keras.layers.ReLU()]
        keras.Sequential([keras.Input((None, None, 3)), *layers]).save(file)
    return str(file)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a `tiny_network`, for tests of what surrounds the networks."""
    return tiny_network(tmp_path_factory.mktemp("backbone") / "tiny.keras")


def trained_run(folder: Path, photos: list[Path], **settings: object) -> Run:
    folder.mkdir()
    run = Run(folder)
    labels = np.random.default_rng(0).integers(0, 2, (len(photos), len(SCHEMA))).astype(np.int8)
    tiny = tiny_network(folder.with_name("tiny.keras"))
    networks = {"backbone": tiny, "person_backbone": tiny, "weights": "none", "size": 64}
    experiment = Experiment(**{**networks, **settings}).absolute()
    start_run(run, Dataset(SCHEMA, tuple(photos), labels), experiment, resume=False)
    fill_view_store(run, lambda event: None)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(run.experiment.precision)
    trainer = Trainer(run, seed=1)
    keras.config.set_dtype_policy(policy)
    trainer.model.compile("adam", loss=MaskedAttributeLoss(SCHEMA), metrics=[AttributeAccuracy(SCHEMA)])
    trainer.model.optimizer.build(trainer.model.trainable_variables)
    scatter(trainer.model, seed=1)
    trainer.model.save(folder / "model.keras")
    run.write("history.json", {"best_epoch": 0, "epochs": [{"loss": 1.0, "macc": 0.5}]})
    return run


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> Run:
    """Trained in mixed precision."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        return trained_run(
            tmp_path_factory.mktemp("runs") / "baseline", photos, system="baseline", precision="mixed_bfloat16"
        )


@pytest.fixture(scope="session")
def sister(tmp_path_factory: pytest.TempPathFactory, photos: list[Path], fcn: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs") / "sister"
        return trained_run(folder, photos, system="sister_a", segmenter=str(fcn), background="black")


@pytest.fixture(scope="session")
def baseline_export(tmp_path_factory: pytest.TempPathFactory, baseline: Run) -> Export:
    with pytest.MonkeyPatch.context() as patch:
        verify_here(tmp_path_factory.mktemp("scratch"), patch)
        return export_run(baseline, tmp_path_factory.mktemp("saved_models") / "baseline")


@pytest.fixture(scope="session")
def bfloat16_export(tmp_path_factory: pytest.TempPathFactory, baseline: Run, photos: list[Path]) -> Export:
    with pytest.MonkeyPatch.context() as patch:
        verify_here(tmp_path_factory.mktemp("scratch"), patch)
        return export_run(
            baseline, tmp_path_factory.mktemp("saved_models") / "bfloat16", photos=photos, precision="bfloat16"
        )


@pytest.fixture(scope="session")
def sister_export(tmp_path_factory: pytest.TempPathFactory, sister: Run) -> Export:
    return export_run(sister, tmp_path_factory.mktemp("saved_models") / "sister")


@pytest.fixture(scope="session")
def sister_loaded(sister_export: Export) -> Any:
    """Loaded, and its first answers, take a second and more."""
    return tf.saved_model.load(str(sister_export.folder))


@pytest.fixture(scope="session")
def decided_model() -> keras.Model:
    """A small model of the whole photo, whose logits are of every size."""
    pixels = keras.Input((16, 16, 3), name="photo")
    keras.utils.set_random_seed(3)
    small = keras.layers.AveragePooling2D(4)(keras.layers.Rescaling(1 / 128, -1)(pixels))
    logits = keras.layers.Dense(5, kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=3))
    return keras.Model({"photo": pixels}, logits(keras.layers.Flatten()(small)))


@pytest.fixture(scope="session")
def decided_export(tmp_path_factory: pytest.TempPathFactory, decided_model: keras.Model, photos: list[Path]) -> Export:
    """An export with thresholds."""
    with pytest.MonkeyPatch.context() as patch:
        verify_here(tmp_path_factory.mktemp("scratch"), patch)
        return export_model(
            decided_model,
            tmp_path_factory.mktemp("saved_models") / "decided",
            schema=SCHEMA,
            photos=photos,
            documents={"thresholds.json": json.dumps({"goal": "precision", "precision": 0.9, "attributes": RULES})},
        )
