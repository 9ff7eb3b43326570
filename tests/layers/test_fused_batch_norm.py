"""Fused batch normalization is that of Keras: its own layer, which is not fused, says what is expected."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister import models
from keras_sister.layers.fused_batch_norm import fuse_batch_norm
from keras_sister.schema import Attribute, Schema

from ..harness import dtype_policy, to_numpy

SCHEMA = Schema((Attribute("scarf"), Attribute("neckline", ("v", "round", "other"))))
RNG = np.random.default_rng(0)
TOLERANCE = {"float32": 2e-6, "mixed_bfloat16": 2e-2, "mixed_float16": 3e-3}  # of a number near 1


def normalization(shape: tuple[int, ...], *, fused: bool, **options: object) -> keras.Model:
    """A model of one layer, with the same weights in every call."""
    model = keras.Sequential([keras.Input(shape), keras.layers.BatchNormalization(**options)])
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in model.weights])
    if fused:
        fuse_batch_norm(model)
    return model


def training_step(model: keras.Model, x: np.ndarray, upstream: np.ndarray, *, jit: bool = False) -> list[np.ndarray]:
    """Outputs, gradients of the inputs and the weights, and the moving statistics afterwards."""

    @tf.function(jit_compile=jit)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = model(x, training=True)
        variables = [variable.value for variable in model.trainable_variables]
        return outputs, tape.gradient(outputs, [x, *variables], tf.cast(upstream, outputs.dtype))

    outputs, gradients = step(tf.constant(x), tf.constant(upstream))
    results = [outputs, *gradients, *model.non_trainable_variables]
    return [to_numpy(keras.ops.cast(result, "float32")) for result in results]


def operations(model: keras.Model, shape: tuple[int, ...]) -> set[str]:
    graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.TensorSpec((2, *shape))).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("policy", TOLERANCE)
def test_a_training_step_is_that_of_keras(policy, jit):
    x = RNG.normal(3, 2, (4, 5, 6, 7)).astype(np.float32)
    upstream = RNG.normal(size=x.shape).astype(np.float32)
    with dtype_policy(policy):
        expected = training_step(normalization(x.shape[1:], fused=False, momentum=0.9), x, upstream, jit=jit)
        found = training_step(normalization(x.shape[1:], fused=True, momentum=0.9), x, upstream, jit=jit)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=TOLERANCE[policy] * max(1, np.abs(b).max()))


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"scale": False, "center": False}])
def test_without_scale_or_offset(options):
    x, upstream = RNG.normal(size=(2, 3, 4, 4, 5)).astype(np.float32)
    expected = training_step(normalization(x.shape[1:], fused=False, **options), x, upstream)
    found = training_step(normalization(x.shape[1:], fused=True, **options), x, upstream)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-6)


@pytest.mark.parametrize("values", [1, 2, 3])
def test_the_moving_variance_is_not_that_of_a_sample(values):
    """Few values a channel, where dividing by n - 1 in place of n would differ most."""
    x = RNG.normal(size=(values, 1, 1, 6)).astype(np.float32)
    model = normalization(x.shape[1:], fused=True, momentum=0.25)
    mean, variance = model.non_trainable_variables
    expected = [
        0.25 * to_numpy(mean) + 0.75 * x.mean(axis=(0, 1, 2)),
        0.25 * to_numpy(variance) + 0.75 * x.var(axis=(0, 1, 2)),
    ]
    model(x, training=True)
    np.testing.assert_allclose(to_numpy(mean), expected[0], rtol=1e-5)
    np.testing.assert_allclose(to_numpy(variance), expected[1], rtol=1e-5)


def test_what_is_frozen_or_predicts_stays_with_keras():
    x = RNG.normal(size=(2, 4, 4, 5)).astype(np.float32)
    fused, plain = (normalization(x.shape[1:], fused=which) for which in (True, False))
    assert "FusedBatchNormV3" in operations(fused, x.shape[1:])
    np.testing.assert_array_equal(to_numpy(fused(x, training=False)), to_numpy(plain(x, training=False)))
    fused.trainable = False
    assert "FusedBatchNormV3" not in operations(fused, x.shape[1:])
    np.testing.assert_array_equal(to_numpy(fused(x, training=True)), to_numpy(plain(x, training=False)))


@pytest.mark.parametrize(
    ("shape", "options"), [((5,), {}), ((4, 4, 5), {"axis": 1}), ((4, 4, 5), {"renorm": True}), ((3, 4, 4, 5), {})]
)
def test_layers_of_other_kinds_stay_with_keras(shape, options):
    assert "FusedBatchNormV3" not in operations(normalization(shape, fused=True, **options), shape)


def test_a_model_trains_fused_and_is_saved_as_an_ordinary_one(tmp_path):
    model = models.build("baseline", SCHEMA, backbone="resnet_mini", weights="none", size=32)
    photos = RNG.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        graph = tf.function(lambda x, each=each: each({"photo": x}, training=True)).get_concrete_function(photos).graph
        kinds = [operation.type for operation in graph.get_operations()]
        assert kinds.count("FusedBatchNormV3") == 10
        assert "SquaredDifference" not in kinds
    tower = loaded.get_layer("photo_tower")
    ordinary = keras.Model.from_config(tower.get_config())  # without anything of this package's models
    ordinary.set_weights(tower.get_weights())
    assert "FusedBatchNormV3" not in operations(ordinary, (32, 32, 3))
    pixels = photos.astype(np.float32)
    np.testing.assert_allclose(
        to_numpy(model.get_layer("photo_tower")(pixels, training=True)),
        to_numpy(ordinary(pixels, training=True)),
        atol=2e-4,
    )
    for a, b in zip(model.get_layer("photo_tower").weights, ordinary.weights, strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-4, atol=1e-4)
