import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister import models
from keras_sister.config import SYSTEMS
from keras_sister.errors import InputError
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import DCSA

from ..harness import check_model, dtype_policy, to_numpy
from .systems import VIEWS, build, model_of, untrained, views_of


def pooled(model: keras.Model, view: str) -> np.ndarray:
    """The vector of one view: the maximum over its tower's last map, by NumPy."""
    return to_numpy(model.get_layer(f"{view}_tower")(VIEWS[view])).max(axis=(1, 2))


def dense(model: keras.Model, name: str, x: np.ndarray) -> np.ndarray:
    kernel, bias = model.get_layer(name).get_weights()
    return x @ kernel + bias


def features(model: keras.Model, view: str) -> np.ndarray:
    return np.maximum(dense(model, f"{view}_features", pooled(model, view)), 0)


def check_logits(system: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(to_numpy(model_of(system)(views_of(system))), expected, atol=1e-5)


@pytest.mark.parametrize("system", ["baseline", "segmented"])
def test_the_base_setting_by_hand(system):
    model = model_of(system)
    (view,) = SYSTEMS[system]
    check_logits(system, dense(model, "logits", features(model, view)))


@pytest.mark.parametrize("system", ["sister_a", "twin"])
def test_sister_a_by_hand(system):
    model = model_of(system)
    check_logits(system, dense(model, "logits", features(model, "photo") + features(model, "segmented")))


def test_sister_b_by_hand():
    model = model_of("sister_b")
    check_logits("sister_b", dense(model, "logits", pooled(model, "photo") * pooled(model, "segmented")))


@pytest.mark.parametrize("system", ["gate_single", "gate_add", "gate_concat"])
def test_the_gates_by_hand(system):
    model = model_of(system)
    a, b = features(model, "photo"), features(model, "segmented")
    g = 1 / (1 + np.exp(-dense(model, "fusion", np.concatenate([a, b], axis=1))))
    assert g.shape == (3, 1 if system == "gate_single" else 1024)
    fused = np.concatenate([g * a, (1 - g) * b], axis=1) if system == "gate_concat" else g * a + (1 - g) * b
    check_logits(system, dense(model, "logits", fused))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_is_saved_and_loaded(system, tmp_path):
    model = model_of(system)
    assert {tensor.name for tensor in model.inputs} == set(SYSTEMS[system])
    assert check_model(model, views_of(system), tmp_path).shape == (3, 36)


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradients_reach_every_weight(system):
    model = build(system)
    labels = np.random.default_rng(1).integers(0, 2, (3, len(DCSA)))
    with tf.GradientTape() as tape:
        loss = MaskedAttributeLoss(DCSA)(labels, model(views_of(system), training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize("system", SYSTEMS)
def test_mixed_precision_gives_nearly_the_same_in_float32(system):
    with dtype_policy("mixed_bfloat16"):
        mixed = untrained(system)
    mixed.set_weights(model_of(system).get_weights())
    logits, exact = (to_numpy(model(views_of(system))) for model in (mixed, model_of(system)))
    assert logits.dtype == np.float32
    assert mixed.get_layer(f"{SYSTEMS[system][0]}_tower").layers[-1].compute_dtype == "bfloat16"
    np.testing.assert_allclose(logits, exact, atol=0.1 * exact.std())  # bfloat16 keeps 8 bits of 24


def test_a_backbone_of_ones_own_in_both_towers():
    pixels = keras.Input((40, 40, 3))
    own = keras.Model(pixels, keras.layers.Conv2D(6, 5, strides=4)(pixels))
    model = models.build("sister_a", DCSA, backbone=own, person_backbone=own, size=40)
    assert model.count_params() == 2 * own.count_params() + 2 * (6 + 1) * 1024 + (1024 + 1) * 36
    assert to_numpy(model(views_of("sister_a"))).shape == (3, 36)


@pytest.mark.parametrize("system", SYSTEMS)
def test_channels_last_whatever_keras_is_set_to(system):
    keras.config.set_image_data_format("channels_first")
    try:
        model = untrained(system)
        assert keras.config.image_data_format() == "channels_first"
        model.set_weights(model_of(system).get_weights())
        np.testing.assert_array_equal(to_numpy(model(views_of(system))), to_numpy(model_of(system)(views_of(system))))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_towers_that_do_not_fit_are_refused():
    other = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(6, 8, strides=8)])
    with pytest.raises(InputError, match="128 channels and person_backbone 6"):
        models.build("sister_b", DCSA, backbone="resnet_mini", person_backbone=other, weights="none", size=64)
    with pytest.raises(InputError, match="system must be one of baseline"):
        models.build("sister_c", DCSA)


def test_the_builders_are_those_of_the_settings():
    assert list(models.SYSTEMS) == list(SYSTEMS)


def test_masked_by_hand():
    model = model_of("masked")
    last = to_numpy(model.get_layer("photo_tower")(VIEWS["photo"]))
    assert last.shape[1:3] == (3, 3)
    cells = np.zeros((3, 3, 3), bool)
    cells[0, 1:, :2] = True  # where the masks of VIEWS cover at least half of a cell of 40 / 3 pixels
    cells[1, :2, 2:] = True
    cells[2] = True  # nobody there: everything counts
    person = np.stack([level[c].max(axis=0) for level, c in zip(last, cells, strict=True)])
    check_logits("masked", dense(model, "logits", np.maximum(dense(model, "person_features", person), 0)))
