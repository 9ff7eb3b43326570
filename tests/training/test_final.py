from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_sister.models  # noqa: F401 - registers the layers
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.export.export_run import export_run
from keras_sister.images import decode, resize
from keras_sister.run import Run
from keras_sister.schema import DCSA
from keras_sister.training.final import final_settings, train_final
from keras_sister.training.start import start_run

EXPERIMENT = Experiment(
    system="baseline",
    backbone="resnet_mini",
    weights="none",
    size=32,
    epochs=12,
    batch_size=8,
    learning_rate=2e-3,
    folds=3,
)


@pytest.fixture
def wide(tmp_path: Path) -> str:
    """A backbone of one convolution with so many filters that photos can be learnt by heart."""
    filters = keras.layers.Conv2D(512, 8, strides=4, kernel_initializer=keras.initializers.GlorotUniform(seed=0))
    layers = [keras.layers.Rescaling(1 / 128, -1), filters, keras.layers.BatchNormalization(), keras.layers.ReLU()]
    keras.Sequential([keras.Input((32, 32, 3)), *layers]).save(tmp_path / "wide.keras")
    return str(tmp_path / "wide.keras")


@pytest.mark.usefixtures("tasks_here")
def test_the_model_knows_the_photos_it_was_trained_on(dataset_folder, wide, tmp_path):
    dataset, experiment = load_dcsa(dataset_folder), replace(EXPERIMENT, backbone=wide, batch_norm="train")
    file = train_final(dataset, experiment, tmp_path / "run")
    assert file == tmp_path / "run" / "model.keras"
    model = keras.saving.load_model(file)
    assert getattr(model, "optimizer", None) is None  # it would be twice the size of the weights
    photos = np.stack([resize(decode(photo.read_bytes()), 32) for photo in dataset.photos])
    answers = DCSA.predict(model.predict({"photo": photos}, verbose=0))
    known = dataset.labels >= 0
    majority = np.mean([np.bincount(column[column >= 0]).max() / (column >= 0).sum() for column in dataset.labels.T])
    assert (answers == dataset.labels)[known].mean() > majority + 0.05
    assert len(Run(tmp_path / "run").read("history.json")["epochs"]) == experiment.epochs

    before = file.stat().st_mtime_ns
    assert train_final(dataset, experiment, tmp_path / "run", resume=True) == file
    assert file.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="--resume"):
        train_final(dataset, experiment, tmp_path / "run")
    refuses_what_was_changed(Run(tmp_path / "run"), tmp_path)


def refuses_what_was_changed(run: Run, tmp_path: Path) -> None:
    """Scores in a model card, settings and weights are those of the training, or the export is refused."""
    scores = run.folder / "cross_validation.json"
    scores.write_text('{"macc": {"mean": 0.99}}')  # of no cross-validation: there was none
    with pytest.raises(InputError, match=r"cross_validation\.json: not as training wrote it.*another --out"):
        export_run(run, tmp_path / "export")
    scores.unlink()
    changes = {
        "history.json": (b"1", b"2", "not as training"),
        "model.keras": (b"1", b"2", "not as"),
        "config.yaml": (b"epochs: 12", b"epochs: 22", "other set"),
    }
    for name, (old, new, message) in changes.items():
        kept = (run.folder / name).read_bytes()
        (run.folder / name).write_bytes(kept.replace(old, new, 1))
        with pytest.raises(InputError, match=message):
            export_run(run, tmp_path / "export")
        (run.folder / name).write_bytes(kept)
    assert not (tmp_path / "export").exists()


def test_a_recipe_trains_for_the_median_of_the_best_epochs(tmp_path):
    run = Run(tmp_path)
    photos = tuple(tmp_path / f"{row}.jpg" for row in range(3))
    start_run(run, Dataset(DCSA, photos, np.zeros((3, len(DCSA)), np.int32)), EXPERIMENT, resume=False)
    run.write("folds.json", [[0], [1], [2]])
    for fold, best in enumerate((9, 1, 4)):
        (tmp_path / f"fold-{fold:02d}").mkdir()
        epochs = [{"val_macc": 0.9 if epoch == best else 0.5, "val_loss": 1.0} for epoch in range(12)]
        run.write(f"fold-{fold:02d}/history.json", {"best_epoch": best, "epochs": epochs})
    assert final_settings(run) == replace(EXPERIMENT, epochs=5)
    (tmp_path / "fold-02" / "history.json").unlink()
    with pytest.raises(InputError, match=r"fold-02/history\.json: missing"):
        final_settings(run)
