"""Inputs are taken by name, strictly, on every backend and after loading."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.config import SYSTEMS
from keras_sister.errors import InputError
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.models import load_model

from ..harness import QUICK_KERAS, QUICK_XLA
from ..pages import ROOT
from .mistakes import LABELS, MISTAKES, PHOTO, SCHEMA, SEGMENTED, tiny


def views_of(system: str) -> dict[str, np.ndarray]:
    views = {"photo": PHOTO, "segmented": SEGMENTED, "mask": PHOTO[..., :1]}
    return {view: views[view] for view in SYSTEMS[system]}


@pytest.fixture(scope="module", params=["built", "loaded", "cloned"])
def segmented(request, tmp_path_factory) -> keras.Model:
    """For calls that are refused, which leave it as it is."""
    model = tiny("segmented")
    if request.param == "loaded":
        file = tmp_path_factory.mktemp("saved") / "model.keras"
        model.save(file)
        model = load_model(file)
    elif request.param == "cloned":
        model = keras.models.clone_model(model)
    model.compile("sgd", loss=MaskedAttributeLoss(SCHEMA))
    return model


@pytest.mark.parametrize("mistake", MISTAKES)
def test_other_inputs_are_refused_however_the_model_is_called(segmented, mistake):
    views, message = MISTAKES[mistake]
    dataset = tf.data.Dataset.from_tensors((tuple(views) if isinstance(views, list) else views, LABELS))
    for call in (
        lambda: segmented(views),
        lambda: segmented.predict(views, verbose=0),
        lambda: segmented.predict(dataset, verbose=0),
        lambda: segmented.evaluate(views, LABELS, verbose=0),
        lambda: segmented.fit(views, LABELS, verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_symbols_are_checked_too():
    model = tiny("segmented")
    image = keras.Input((32, 32, 3))
    assert model({"segmented": image}).shape == (None, 4)
    with pytest.raises(ValueError, match="Received: photo, segmented"):
        model({"photo": image, "segmented": image})


def test_the_order_of_the_views_does_not_matter():
    model = tiny("sister_a")
    views = views_of("sister_a")
    turned = dict(reversed(views.items()))
    np.testing.assert_array_equal(model(views), model(turned))
    np.testing.assert_array_equal(model.predict(views, verbose=0), model.predict(turned, verbose=0))
    with pytest.raises(ValueError, match=r"sister_a: expected the views photo, segmented. Received: list"):
        model(list(turned.values()))


@pytest.mark.parametrize("system", ["segmented", "masked"])
def test_sizes_that_tensorflow_does_not_know_are_checked_in_the_graph(system):
    model = tiny(system)
    expected = model.predict(views_of(system), verbose=0)

    def unknown(views: dict[str, np.ndarray]) -> tf.data.Dataset:
        specs = {view: tf.TensorSpec((None,) * 4, tf.uint8) for view in views}
        dataset = tf.data.Dataset.from_generator(lambda: iter([views]), output_signature=specs)
        return dataset.apply(tf.data.experimental.assert_cardinality(1))

    np.testing.assert_allclose(model.predict(unknown(views_of(system)), verbose=0), expected, atol=1e-5)
    for wrong in (np.s_[..., :1], np.s_[:, :16], np.s_[:, :, :16]):
        views = views_of(system)
        name = next(view for view in views if view != "mask")
        views[name] = views[name][wrong]
        with pytest.raises(tf.errors.InvalidArgumentError):
            model.predict(unknown(views), verbose=0)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_a_mask_of_zeros_and_ones_is_one_of_0_and_255(dtype):
    model = tiny("masked")
    person = np.random.default_rng(1).random((4, 4, 4, 1)) < 0.3
    person[3] = False
    mask = np.repeat(np.repeat(person, 8, axis=1), 8, axis=2)
    expected = np.asarray(model({"photo": PHOTO, "mask": 255 * mask.astype(np.uint8)}))
    assert np.abs(expected - model({"photo": PHOTO, "mask": np.zeros_like(mask)})).max() > 1e-3
    np.testing.assert_array_equal(model({"photo": PHOTO, "mask": mask.astype(dtype)}), expected)
    np.testing.assert_allclose(
        model.predict({"photo": PHOTO, "mask": mask.astype(dtype)}, verbose=0), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    ("system", "options"), [*((system, {}) for system in SYSTEMS), ("masked", {"pooling": "mean"})]
)
def test_every_system_fits_and_predicts_with_xla(system, options):
    model = tiny(system, **options)
    model.compile("sgd", loss=MaskedAttributeLoss(SCHEMA), jit_compile=True)
    model.fit(views_of(system), LABELS, verbose=0)
    np.testing.assert_allclose(model.predict(views_of(system), verbose=0), model(views_of(system)), atol=1e-5)


def test_callbacks_on_macc_find_its_direction_by_themselves(tmp_path):
    model = tiny("baseline")
    model.compile("sgd", loss=MaskedAttributeLoss(SCHEMA), metrics=[AttributeAccuracy(SCHEMA)])
    callbacks = [
        keras.callbacks.EarlyStopping(monitor="val_macc"),
        keras.callbacks.ReduceLROnPlateau(monitor="val_macc"),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_macc", save_best_only=True),
    ]
    data = (views_of("baseline"), LABELS)
    model.fit(*data, validation_data=data, callbacks=callbacks, verbose=0)
    assert {callback.monitor_op for callback in callbacks} == {keras.ops.greater}
    assert type(load_model(tmp_path / "best.keras")) is type(model)


@pytest.fixture(scope="module")
def fitted() -> keras.Model:
    """A model of two towers with an optimizer, for what leaves it as it is."""
    model = tiny("sister_a")
    model.compile("adam", loss=MaskedAttributeLoss(SCHEMA))
    model.fit(views_of("sister_a"), LABELS, verbose=0)
    return model


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_hdf5_is_refused_in_words_and_overwrites_nothing(name, tmp_path, fitted):
    model = fitted
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"{name}: HDF5 cannot hold two towers; save the model as ….keras"):
        model.save(tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
    with pytest.raises(InputError, match=r"^HDF5 cannot hold two towers; save the model as ….keras\.$"):
        keras.saving.save_model(model, tmp_path / name)
    keras.saving.save_model(model, tmp_path / "model.keras")  # no trace of the refusal is left
    assert type(load_model(tmp_path / "model.keras")) is type(model)


def test_predictions_on_jax_are_strict_too():
    environment = {**os.environ, "KERAS_BACKEND": "jax", **QUICK_XLA}
    program = f"{QUICK_KERAS}from tests.models.mistakes import check_mistakes; check_mistakes()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
