import keras
import numpy as np
import pytest

from keras_sister.layers import AttributeProbabilities, GatedFusion, PixelNormalization
from keras_sister.schema import DCSA

from ..harness import check_layer, to_numpy

A, B = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("gate", ["single", "element"])
@pytest.mark.parametrize("join", ["add", "concat"])
def test_gated_fusion_is_its_formula(gate, join):
    layer = GatedFusion(gate=gate, join=join)
    layer.build([A.shape, B.shape])
    width = 1 if gate == "single" else 7
    assert [tuple(weight.shape) for weight in layer.weights] == [(14, width), (width,)]
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    kernel, bias = layer.get_weights()
    g = sigmoid(np.concatenate([A, B], axis=1) @ kernel + bias)
    expected = g * A + (1 - g) * B if join == "add" else np.concatenate([g * A, (1 - g) * B], axis=1)
    check_layer(layer, [A, B], expected)


def test_gated_fusion_refuses_what_it_cannot_join():
    with pytest.raises(ValueError, match="Expected gate to be one of"):
        GatedFusion(gate="none")
    with pytest.raises(ValueError, match="Expected join to be one of"):
        GatedFusion(gate="single", join="multiply")
    with pytest.raises(ValueError, match="one size"):
        GatedFusion(gate="single")([A, B[:, :3]])


@pytest.mark.parametrize("bgr", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixel_normalization_is_its_formula(bgr, dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype(dtype)
    mean, std = (100.0, 110.0, 120.0), (50.0, 60.0, 70.0)
    expected = (images.astype(np.float64) - mean) / std
    check_layer(PixelNormalization(mean=mean, std=std, bgr=bgr), images, expected[..., ::-1] if bgr else expected)


def test_pixels_are_not_rounded_under_mixed_precision():
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = PixelNormalization(mean=(127.5,) * 3, std=(127.5,) * 3)
        outputs = layer(images)
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_allclose(to_numpy(outputs), images / 127.5 - 1, atol=1e-6)


def test_probabilities_are_those_of_the_schema():
    logits = np.random.default_rng(0).normal(0, 4, (6, DCSA.n_logits)).astype(np.float32)
    check_layer(AttributeProbabilities(DCSA), logits, DCSA.probabilities(logits))
