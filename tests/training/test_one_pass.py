"""Cross-validation with frozen towers: one pass through the towers, the heads of all folds together."""

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.models import build, load_model
from keras_sister.models.frozen import towers_of
from keras_sister.run import Run
from keras_sister.schema import DCSA
from keras_sister.storage.cache import cache_folder, list_cache
from keras_sister.training import head_trainer
from keras_sister.training.cross_validation import cross_validate
from keras_sister.training.final import final_settings, train_final
from keras_sister.training.fold_split import FoldSplit, fold_splits
from keras_sister.training.preprocessing import preprocessor_of
from keras_sister.training.tasks import train_fold
from keras_sister.training.trained import trained_model
from tests.conftest import perform_tasks_here
from tests.exports import tiny_network

pytestmark = pytest.mark.usefixtures("tasks_here")


@pytest.fixture(scope="module")
def dataset(dataset_folder: Path) -> Dataset:
    return load_dcsa(dataset_folder)


@pytest.fixture(scope="module")
def experiment(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    tiny = tiny_network(tmp_path_factory.mktemp("backbone") / "tiny.keras")
    return Experiment(
        system="sister_b",
        backbone=tiny,
        person_backbone=tiny,
        weights="none",
        segmenter=f"masks:{dataset_folder / 'masks'}",
        size=32,
        trainable="head",
        augment=True,
        folds=3,
        epochs=3,
        batch_size=8,
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of `finished`: its view pairs and features."""
    return tmp_path_factory.mktemp("cache")


def finish(dataset: Dataset, experiment: Experiment, folder: Path, cache: Path) -> Run:
    """A finished run in `folder`, with a cache folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        perform_tasks_here(patch)
        patch.setenv("KERAS_SISTER_CACHE", str(cache))
        cross_validate(dataset, experiment, folder)
    return Run(folder)


@pytest.fixture(scope="module")
def finished(dataset: Dataset, experiment: Experiment, stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run; read only."""
    return finish(dataset, experiment, tmp_path_factory.mktemp("one_pass") / "run", stored)


@pytest.fixture
def views_stored(finished: Run, stored: Path) -> None:
    """The test's own cache has the view pairs of all photos, but no features."""
    shutil.copytree(stored / "views", cache_folder() / "views")


@pytest.fixture
def features_stored(finished: Run, stored: Path) -> None:
    """The test's own cache has the view pairs and the towers' features of all photos."""
    shutil.copytree(stored, cache_folder(), dirs_exist_ok=True)


@pytest.fixture(scope="module")
def plain_cache(finished: Run, stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of `plain`, which began with the view pairs alone."""
    folder = tmp_path_factory.mktemp("cache")
    shutil.copytree(stored / "views", folder / "views")
    return folder


@pytest.fixture(scope="module")
def plain(dataset: Dataset, experiment: Experiment, plain_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that does not augment; read only."""
    return finish(dataset, replace(experiment, augment=False), tmp_path_factory.mktemp("plain") / "run", plain_cache)


@pytest.fixture(scope="module")
def views(dataset: Dataset, experiment: Experiment) -> dict[str, np.ndarray]:
    """The inputs of all models here, by the preprocessor from the photo files."""
    preprocessor = preprocessor_of(experiment)
    return {view: np.asarray(images) for view, images in preprocessor.load(dataset.photos).items()}


def outcome(run: Run) -> list[bytes | object]:
    folds = [run.fold(number) for number in range(3)]
    logits = [np.load(fold.predictions)["logits"].tobytes() for fold in folds]
    return [*logits, *(run.read(f"{fold.name}/history.json") for fold in folds), run.read("summary.json")]


@pytest.mark.usefixtures("features_stored")
def test_standardised_heads_take_the_features_as_they_are_once_they_are_trained(dataset, experiment, views, tmp_path):
    """Mean and variance are in their weights, in every fold and in the final model."""
    settings = replace(experiment, system="sister_a", standardize=True, schedule="cosine", epochs=2, folds=2)
    cross_validate(dataset, settings, tmp_path / "run")
    run = Run(tmp_path / "run")
    for number, rows in enumerate(run.folds):
        found = trained_model(run, run.fold_weights(number))({view: of[rows] for view, of in views.items()})
        np.testing.assert_allclose(np.load(run.fold(number).predictions)["logits"], found, atol=1e-3)
    final = train_final(dataset, replace(settings, epochs=12, learning_rate=0.01), tmp_path / "final")
    labels, logits = run.labels, np.asarray(load_model(final)(views))
    known = labels >= 0
    learned = (run.schema.predict(logits) == labels)[known].mean()
    majority = np.mean([np.bincount(column[column >= 0]).max() / (column >= 0).sum() for column in labels.T])
    assert learned > majority + 0.05


def test_predictions_are_those_of_each_folds_whole_model(finished, views):
    towers = []
    for number, rows in enumerate(finished.folds):
        model = trained_model(finished, finished.fold_weights(number))
        saved = np.load(finished.fold(number).predictions)
        np.testing.assert_array_equal(saved["rows"], rows)
        np.testing.assert_allclose(saved["logits"], model({view: of[rows] for view, of in views.items()}), atol=1e-4)
        towers.append([w for layer in model.layers if isinstance(layer, keras.Model) for w in layer.get_weights()])
    for one, other in zip(towers[0], towers[2], strict=True):  # frozen
        np.testing.assert_array_equal(one, other)
    assert not (finished.folder / "heads.npz").exists()


@pytest.mark.usefixtures("features_stored")
@pytest.mark.parametrize("system", ["sister_b", pytest.param("sister_a", marks=pytest.mark.slow)])
def test_each_fold_trained_alone_through_its_towers_ends_as_in_one_pass(system, dataset, plain, tmp_path):
    together = plain
    if system != plain.experiment.system:
        together = Run(tmp_path / "run")
        cross_validate(dataset, replace(plain.experiment, system=system), together.folder)
    alone = Run(shutil.copytree(together.folder, tmp_path / "alone"))
    for number in range(3):
        shutil.rmtree(alone.fold(number).folder)
        train_fold(alone, number, lambda event: None)
        ours, theirs = (run.read(f"fold-{number:02d}/history.json") for run in (together, alone))
        assert ours["best_epoch"] == theirs["best_epoch"]
        for one, other in zip(ours["epochs"], theirs["epochs"], strict=True):
            assert one == pytest.approx(other, abs=1e-5)
        found, expected = (np.load(run.fold(number).predictions)["logits"] for run in (together, alone))
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.usefixtures("views_stored")
def test_a_run_that_was_cut_off_anywhere_ends_with_the_same_bits(dataset, experiment, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(head_trainer, "_BETWEEN_CHECKPOINTS", 0.0)
    places = [("counted", "done", 96), ("epoch", "epoch", 0), ("step", "epoch", 2)]

    def cut_off(event):
        if places and (event["event"], event.get(places[0][1])) == (places[0][0], places[0][2]):
            places.pop(0)
            raise KeyboardInterrupt

    while places:
        with pytest.raises(KeyboardInterrupt):
            cross_validate(dataset, experiment, tmp_path / "cut", resume=True, on_event=cut_off)
    cross_validate(dataset, experiment, tmp_path / "cut", resume=True)
    assert outcome(Run(tmp_path / "cut")) == outcome(finished)


@pytest.mark.usefixtures("views_stored")
def test_folds_that_cannot_be_trained_end_the_feature_pass(dataset, experiment, tmp_path, monkeypatch):
    """Folds are drawn beside it; their error does not wait for its end."""
    tried, told = threading.Event(), []

    def splits(run: Run) -> list[FoldSplit]:
        try:
            return fold_splits(run)
        finally:
            tried.set()

    def tell(event: dict[str, Any]) -> None:
        if event.get("what") == "features":
            told.append(event["done"])
            if event["done"]:
                assert tried.wait(60)
                time.sleep(0.5)  # until the thread has ended, not only the function

    monkeypatch.setattr("keras_sister.training.one_pass.fold_splits", splits)
    weightless = replace(dataset, weights=np.zeros(len(dataset)))
    with pytest.raises(InputError, match="fold-00: all of its training photos with a known label have the weight 0"):
        cross_validate(weightless, experiment, tmp_path / "run", on_event=tell)
    assert told == [0, 48]  # of 192


def test_a_tower_is_the_same_whatever_was_built_before_it():
    """Keras numbers the layers that have no name, in models inside the network too."""

    def fingerprint() -> str:
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 3))
        network = keras.Model(image, keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.ReLU()])(image))
        return towers_of(build("baseline", DCSA, backbone=network, size=8))[0].fingerprint

    assert fingerprint() == fingerprint()


@pytest.mark.usefixtures("features_stored")
def test_folds_that_are_missing_are_trained_again_to_the_same_bits(dataset, experiment, finished, tmp_path):
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    (run.folder / "summary.json").unlink()
    run.fold(1).predictions.unlink()
    run.towers.write_bytes(run.towers.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"towers\.weights\.h5: not as training wrote it"):
        trained_model(run, run.fold_weights(0))
    cross_validate(dataset, experiment, run.folder, resume=True)
    assert outcome(run) == outcome(finished)
    trained_model(run, run.fold_weights(0))  # the towers are those that were noted


@pytest.mark.usefixtures("features_stored")
def test_checkpoints_left_by_a_kill_after_the_last_predictions_are_removed(finished, dataset, experiment, tmp_path):
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    (run.folder / "summary.json").unlink()
    left = [run.folder / "heads.npz", run.fold(2).folder / "checkpoint.npz"]
    for file in left:
        file.write_bytes(b"as training left it")
    cross_validate(dataset, experiment, run.folder, resume=True)
    assert not any(file.exists() for file in left)
    assert outcome(run) == outcome(finished)


def test_systems_share_the_features_of_a_tower(dataset, plain, plain_cache, tmp_path):
    """Two systems of the same two towers make each feature once."""
    shutil.copytree(plain_cache, cache_folder(), dirs_exist_ok=True)
    made = [{entry.path.name: entry.size for entry in list_cache(("features",))}]
    cross_validate(dataset, replace(plain.experiment, system="twin", epochs=1), tmp_path / "twin")
    made.append({entry.path.name: entry.size for entry in list_cache(("features",))})
    assert len(made[0]) == 2  # a photo tower and a person tower
    assert made[1] == made[0]


@pytest.mark.usefixtures("features_stored")
def test_balanced_class_weights_reach_the_heads(dataset, experiment, finished, tmp_path):
    """`tests/training/test_heads.py` compares their numbers."""
    cross_validate(dataset, replace(experiment, class_weights="balanced"), tmp_path / "run")
    losses = [run.read("fold-00/history.json")["epochs"][0]["loss"] for run in (finished, Run(tmp_path / "run"))]
    assert losses[0] != losses[1]


@pytest.mark.usefixtures("features_stored")
def test_the_final_model_has_the_head_of_all_photos_on_the_same_towers(dataset, finished, views, tmp_path):
    settings = final_settings(finished)
    file = train_final(dataset, settings, tmp_path / "final", like=finished)
    run, model = Run(tmp_path / "final"), load_model(file)
    assert len(run.read("history.json")["epochs"]) == settings.epochs
    fold = trained_model(finished, finished.fold_weights(0))
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            for one, other in zip(layer.get_weights(), fold.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
    assert np.isfinite(model(views)).all()
    assert not any((tmp_path / "final").glob("heads.npz"))
