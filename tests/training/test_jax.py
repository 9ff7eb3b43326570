"""Training on JAX: from the stores of TensorFlow, without TensorFlow, to the same numbers."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.run import Run
from keras_sister.training.cross_validation import cross_validate
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.start import start_run
from keras_sister.training.trained import trained_model
from keras_sister.training.trainer import Trainer

from ..harness import to_numpy
from ..pages import ROOT
from .same_on_all_backends import PIXELS, SCHEMA, UNSEEN, batches, features, head_steps, trained

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not find_spec("jax"), reason="JAX is not installed")]


@pytest.fixture(scope="module")
def dataset(dataset_folder: Path) -> Dataset:
    photos = sorted((dataset_folder / "images").iterdir())[:24]
    rng = np.random.default_rng(1)
    labels = rng.integers(-1, [2, 3, 2], (24, 3)).astype(np.int8)
    return Dataset(SCHEMA, tuple(photos), labels, weights=rng.uniform(0.5, 2, 24))


@pytest.fixture(scope="module")
def experiment(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A backbone of one convolution, which JAX compiles in a second."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 5, strides=4, activation="relu")(keras.layers.Rescaling(1 / 128, -1)(image))
    backbone = tmp_path_factory.mktemp("backbone") / "one.keras"
    keras.Model(image, keras.layers.BatchNormalization()(x)).save(backbone)
    return Experiment(
        system="sister_a",
        backbone=str(backbone),
        person_backbone=str(backbone),
        batch_norm="train",
        segmenter=f"masks:{dataset_folder / 'masks'}",
        size=32,
        augment=True,
        folds=2,
        epochs=3,
        batch_size=4,
        learning_rate=1e-3,
    )


def begun(folder: Path, dataset: Dataset, experiment: Experiment) -> Run:
    """A run with its views and folds, as it is before its first training."""
    folder.mkdir()
    run = Run(folder)
    start_run(run, dataset, experiment.absolute(), resume=False)
    fill_view_store(run, lambda event: None)
    run.write("folds.json", [list(range(10)), list(range(10, 24))])  # the first trains on 12: three whole batches
    return run


@pytest.fixture(scope="module")
def folder(dataset, experiment, tmp_path_factory) -> Path:
    """What TensorFlow and JAX found from the same stores; see `tests.training.on_jax`."""
    folder = tmp_path_factory.mktemp("jax")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(folder / "cache"))
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "compiled"))  # trainings of one shape share a program
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")  # compiles in three quarters of the time
        run = begun(folder / "tensorflow", dataset, experiment)
        Trainer(run, seed=5).model.save_weights(folder / "initial.weights.h5")
        before, after = head_steps(None)
        np.savez(folder / "heads-before.npz", **before)
        np.savez(folder / "tensorflow-heads.npz", **after)
        patch.setenv("KERAS_BACKEND", "jax")
        begun(folder / "all", dataset, experiment)
        begun(folder / "head", dataset, Experiment(**{**vars(experiment), "trainable": "head"}))
        command = [sys.executable, "-W", "ignore", "-m", "tests.training.on_jax", str(folder)]
        done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert json.loads((folder / "outcome.json").read_text()) == {"backend": "jax"}
        patch.setenv("KERAS_BACKEND", "tensorflow")
        trainer, losses = trained(run, folder / "initial.weights.h5", folder / "trained-on-tensorflow")
        np.savez(folder / "tensorflow-trained.npz", losses=losses, logits=trainer.predict(UNSEEN))
        np.savez(folder / "tensorflow-features.npz", **features(run, folder / "initial.weights.h5"))
        for kind in PIXELS:
            for number, arrays in enumerate(batches(run, kind)):
                np.savez(folder / f"tensorflow-{kind}-{number}.npz", **arrays)
    return folder


def both(folder: Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What TensorFlow and JAX found."""
    return tuple(dict(np.load(folder / f"{backend}-{name}.npz")) for backend in ("tensorflow", "jax"))


@pytest.mark.parametrize("kind", PIXELS)
def test_the_batches_are_the_same_bit_by_bit(folder, kind):
    """But where pixels are resized, which the backends round apart: there a level may differ by one."""
    sizes = {6: [6, 6, 4], 4: [4, 4, 4, 4]}[PIXELS[kind][0]] * 2
    for number, size in enumerate(sizes):
        expected, found = both(folder, f"{kind}-{number}")
        assert found["photo"].dtype == np.uint8
        assert found.keys() == expected.keys() == {"photo", "segmented", "rows"}
        assert {len(array) for array in found.values()} == {size}
        for name, array in expected.items():
            differ = np.abs(found[name].astype(int) - array)
            assert differ.max() <= (kind == "resized")
            assert (differ > 0).mean() < 0.01


def test_a_training_has_the_losses_of_tensorflow(folder):
    on_tensorflow, on_jax = both(folder, "trained")
    assert len(on_jax["losses"]) == 12
    np.testing.assert_allclose(on_jax["losses"][:4], on_tensorflow["losses"][:4], rtol=1e-4)
    np.testing.assert_allclose(on_jax["losses"], on_tensorflow["losses"], rtol=1e-3)
    np.testing.assert_allclose(on_jax["logits"], on_tensorflow["logits"], atol=5e-3)


def test_the_features_are_those_of_tensorflow_and_kept_apart(folder):
    on_tensorflow, on_jax = both(folder, "features")
    assert sorted(on_jax) == ["mirrored0", "mirrored1", "plain0", "plain1"]
    for name, found in on_jax.items():
        np.testing.assert_allclose(found, on_tensorflow[name], rtol=1e-4, atol=1e-4)
    described = [json.loads(file.read_text()) for file in (folder / "cache" / "features").rglob("description.json")]
    assert {"jax", None} == {about.get("backend") for about in described}


def test_stacked_heads_step_as_on_tensorflow(folder):
    on_tensorflow, on_jax = both(folder, "heads")
    assert on_jax.keys() == on_tensorflow.keys()
    for name, found in on_jax.items():
        np.testing.assert_allclose(found, on_tensorflow[name], rtol=1e-4, atol=1e-6)


def test_a_model_that_jax_trained_predicts_the_same_on_tensorflow(folder):
    run = Run(folder / "head")
    views = {name: np.full((2, 32, 32, 3), 100, np.float32) for name in ("photo", "segmented")}
    found = to_numpy(trained_model(run, run.folder / "model.keras")(views, training=False))
    np.testing.assert_allclose(found, np.load(folder / "final.npy"), atol=1e-4)


def test_worker_processes_train_on_jax(folder, dataset, experiment, tmp_path, monkeypatch):
    """Views on TensorFlow, heads on JAX; the run knows its backend, and is resumed on no other."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "compiled"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    settings = Experiment(**{**vars(experiment), "trainable": "head", "epochs": 1})
    summary = cross_validate(dataset, settings, tmp_path / "run")
    assert summary["photos"] == 24
    run = Run(tmp_path / "run")
    assert run.backend == "jax"
    assert [(entry["task"], "jax" in entry["versions"]) for entry in run.read("work.json")] == [
        ("views", True),
        ("heads", True),
    ]
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(InputError, match="set KERAS_BACKEND=jax \\(now tensorflow\\), or choose another --out"):
        cross_validate(dataset, settings, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("torch", [], "KERAS_BACKEND=torch: training runs on tensorflow or jax; set one of them."),
        ("jax", ["--precision", "onednn_bfloat16"], "onednn_bfloat16 is one of TensorFlow; with KERAS_BACKEND=jax use"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    dataset_folder, tmp_path, monkeypatch, backend, options, message
):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    done = CliRunner().invoke(main, ["cv", str(dataset_folder), "--out", str(tmp_path / "run"), *options])
    assert done.exit_code == 1
    assert message in done.output


def test_a_damaged_backend_file_is_named(tmp_path):
    (tmp_path / "backend.json").write_text('{"backend": "abacus"}')
    with pytest.raises(InputError, match=r"backend\.json: not the file of a run"):
        _ = Run(tmp_path).backend
