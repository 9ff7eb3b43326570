import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister import models
from keras_sister.config import SYSTEMS
from keras_sister.errors import InputError
from keras_sister.layers import GatedFusion
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import DCSA

from ..harness import check_model, to_numpy

SIZE = 40
VIEWS = dict(
    zip(
        ("photo", "segmented"),
        np.random.default_rng(0).integers(0, 256, (2, 3, SIZE, SIZE, 3)).astype(np.uint8),
        strict=True,
    )
)
MINI = {"backbone": "resnet_mini", "small": "resnet_mini", "weights": "none", "size": SIZE}


def build(system: str, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return models.build(system, DCSA, **MINI)


def views_of(system: str) -> dict[str, np.ndarray]:
    return {view: VIEWS[view] for view in SYSTEMS[system]}


def dense(model: keras.Model, name: str, x: np.ndarray) -> np.ndarray:
    kernel, bias = model.get_layer(name).get_weights()
    return x @ kernel + bias


def pooled(model: keras.Model, view: str) -> np.ndarray:
    """The vector of one view: the maximum over its tower's last map, by NumPy."""
    return to_numpy(model.get_layer(f"{view}_tower")(VIEWS[view])).max(axis=(1, 2))


def features(model: keras.Model, view: str) -> np.ndarray:
    return np.maximum(dense(model, f"{view}_features", pooled(model, view)), 0)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_is_saved_and_loaded(system, tmp_path):
    model = build(system)
    assert [tensor.name for tensor in model.inputs] == list(SYSTEMS[system])
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
    exact = build(system)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build(system)
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(exact.get_weights())
    logits = mixed(views_of(system))
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, to_numpy(exact(views_of(system))), atol=0.2, rtol=0.1)


def test_the_baseline_by_hand():
    model = build("baseline")
    expected = dense(model, "logits", features(model, "photo"))
    np.testing.assert_allclose(to_numpy(model(views_of("baseline"))), expected, atol=1e-4)


def test_the_sisters_by_hand():
    for system in ("sister_a", "twin"):
        model = build(system)
        expected = dense(model, "logits", features(model, "photo") + features(model, "segmented"))
        np.testing.assert_allclose(to_numpy(model(VIEWS)), expected, atol=1e-4)
    model = build("sister_b")
    expected = dense(model, "logits", pooled(model, "photo") * pooled(model, "segmented"))
    np.testing.assert_allclose(to_numpy(model(VIEWS)), expected, atol=1e-4)


@pytest.mark.parametrize("system", ["gate_single", "gate_add", "gate_concat"])
def test_the_gates_by_hand(system):
    model = build(system)
    a, b = features(model, "photo"), features(model, "segmented")
    kernel, bias = model.get_layer("fusion").get_weights()
    assert kernel.shape == (2048, 1 if system == "gate_single" else 1024)
    g = 1 / (1 + np.exp(-(np.concatenate([a, b], axis=1) @ kernel + bias)))
    fused = np.concatenate([g * a, (1 - g) * b], axis=1) if system == "gate_concat" else g * a + (1 - g) * b
    np.testing.assert_allclose(to_numpy(model(VIEWS)), dense(model, "logits", fused), atol=1e-4)


def test_a_gate_on_the_pooled_vectors():
    model = models.gated(DCSA, GatedFusion(gate="single"), pooled=True, **MINI)
    assert model.count_params() == 2 * build("baseline").get_layer("photo_tower").count_params() + 257 + 129 * 36


# Counted from He et al. (2016), Table 1: every convolution of `channels` filters has that many biases in Keras, and
# every batch normalisation four numbers for each channel.
def resnet_parameters(blocks: tuple[int, ...]) -> int:
    def convolution(inputs: int, outputs: int, size: int) -> int:
        return inputs * outputs * size**2 + outputs + 4 * outputs

    total, channels = convolution(3, 64, 7), 64
    for stage, repeats in enumerate(blocks):
        narrow = 64 * 2**stage
        total += convolution(channels, 4 * narrow, 1)  # the shortcut of the first block
        for _ in range(repeats):
            total += (
                convolution(channels, narrow, 1) + convolution(narrow, narrow, 3) + convolution(narrow, 4 * narrow, 1)
            )
            channels = 4 * narrow
    return total


RESNET50, RESNET101, RESNET152 = map(resnet_parameters, ((3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)))
HIDDEN = 2048 * 1024 + 1024
SCORES = 1024 * 36 + 36


@pytest.mark.parametrize(
    ("system", "networks", "expected"),
    [
        ("baseline", ("resnet50", "resnet50"), RESNET50 + HIDDEN + SCORES),
        ("sister_a", ("resnet152", "resnet50"), RESNET152 + RESNET50 + 2 * HIDDEN + SCORES),
        ("sister_b", ("resnet50", "resnet50"), 2 * RESNET50 + 2048 * 36 + 36),
        ("twin", ("resnet101", "resnet50"), 2 * RESNET101 + 2 * HIDDEN + SCORES),
        ("gate_single", ("resnet50", "resnet50"), 2 * RESNET50 + 2 * HIDDEN + 2049 + SCORES),
        ("gate_concat", ("resnet50", "resnet50"), 2 * RESNET50 + 2 * HIDDEN + 2048 * 1024 + 1024 + 2048 * 36 + 36),
    ],
)
def test_parameters_of_the_papers_systems(system, networks, expected):
    backbone, small = networks
    model = models.build(system, DCSA, backbone=backbone, small=small, weights="none", size=64)
    assert model.count_params() == expected


def test_a_backbone_of_ones_own_in_both_towers():
    pixels = keras.Input((SIZE, SIZE, 3))
    own = keras.Model(pixels, keras.layers.Conv2D(6, 5, strides=4)(pixels))
    model = models.build("sister_a", DCSA, backbone=own, small=own, size=SIZE)
    assert model.count_params() == 2 * own.count_params() + 2 * (7 * 1024) + SCORES
    assert to_numpy(model(VIEWS)).shape == (3, 36)


def test_towers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="128 channels and small 2048"):
        models.build("sister_b", DCSA, backbone="resnet_mini", small="resnet50", weights="none", size=64)
    with pytest.raises(InputError, match="system must be one of baseline"):
        models.build("sister_c", DCSA)


def test_the_registry_is_the_one_of_the_settings():
    assert list(models.SYSTEMS) == list(SYSTEMS)


PROGRAM = """
import sys
sys.modules["tensorflow"] = None  # from here on importing it fails
import keras, numpy as np
from pathlib import Path
from keras_sister import models
from keras_sister.schema import DCSA

folder, mini = Path(sys.argv[1]), {"backbone": "resnet_mini", "small": "resnet_mini", "weights": "none", "size": 40}
views = dict(np.load(folder / "views.npz"))
assert keras.backend.backend() == sys.argv[2]
for system in models.SYSTEMS:
    model = models.build(system, DCSA, **mini)
    model.load_weights(folder / f"{system}.weights.h5")
    logits = model({tensor.name: views[tensor.name] for tensor in model.inputs}, training=False)
    np.save(folder / f"{system}.npy", keras.ops.convert_to_numpy(logits))
"""


@pytest.fixture(scope="module")
def weights_of_all_systems(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    np.savez(folder / "views.npz", **VIEWS)
    for system in SYSTEMS:
        build(system, seed=5).save_weights(folder / f"{system}.weights.h5")
    return folder


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_logits_without_tensorflow(backend, weights_of_all_systems):
    if backend == "torch":
        pytest.importorskip("torch")
    command = [sys.executable, "-c", PROGRAM, str(weights_of_all_systems), backend]
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for system in SYSTEMS:
        expected = to_numpy(build(system, seed=5)(views_of(system)))
        np.testing.assert_allclose(np.load(weights_of_all_systems / f"{system}.npy"), expected, atol=1e-4)
