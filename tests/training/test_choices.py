"""One run with many choices at once: what was measured is what is kept, loaded and exported."""

import keras
import numpy as np
import pytest

from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.explanation.heat_maps import heat_map
from keras_sister.models import load_model, schema_of
from keras_sister.run import Run
from keras_sister.schema import DCSA
from keras_sister.training.final import train_final
from keras_sister.training.tasks import train_fold
from keras_sister.training.trained import preprocessor_of_run, trained_model


@pytest.mark.usefixtures("tasks_here")
def test_folds_and_final_model_predict_from_both_mirror_images(dataset_folder, tmp_path):
    small = tmp_path / "small.keras"
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 5, strides=4), keras.layers.ReLU()]).save(small)
    experiment = Experiment(
        system="sister_a",
        backbone=str(small),
        person_backbone=str(small),
        size=32,
        segmenter=f"masks:{dataset_folder / 'masks'}",
        pooling="mean",
        loss="focal",
        label_smoothing=0.1,
        class_weights="balanced",
        augment=True,
        drop_view=0.2,
        random_background=0.5,
        flip_average=True,
        schedule="cosine",
        average_weights=0.5,
        folds=2,
        epochs=1,
        batch_size=16,
        learning_rate=1e-3,
    )
    dataset = load_dcsa(dataset_folder)
    file = train_final(dataset, experiment, tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.experiment == experiment.absolute()
    views = preprocessor_of_run(run).load(dataset.photos[:4])
    flipped = {view: image[:, :, ::-1] for view, image in views.items()}
    final = load_model(file)
    assert schema_of(final) == DCSA
    inside = next(layer for layer in final.layers if layer.name == "sister_a")
    assert isinstance(inside.get_layer("photo_pool"), keras.layers.GlobalAveragePooling2D)
    expected = (np.array(inside(views)) + np.array(inside(flipped))) / 2
    np.testing.assert_allclose(final(views), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained_model(run, file)(views), expected, rtol=1e-4, atol=1e-5)
    maps, of_one = (heat_map(model, views, attribute="neckline", class_name="round") for model in (final, inside))
    np.testing.assert_array_equal(maps["photo"], of_one["photo"])

    run.write("folds.json", [list(range(4)), list(range(4, 48))])
    train_fold(run, 0, lambda event: None)
    fold = run.fold(0)
    with np.load(fold.predictions) as saved:
        measured = saved["logits"]
    model = trained_model(run, fold.folder / "model.weights.h5")
    np.testing.assert_allclose(model(views), measured, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(flipped), measured, rtol=1e-4, atol=1e-5)
