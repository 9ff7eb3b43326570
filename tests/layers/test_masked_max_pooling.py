import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.layers import MaskedAveragePooling2D, MaskedMaxPooling2D

from ..harness import check_layer, dtype_policy, to_numpy

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(3, 4, 6, 5)).astype(np.float32) - 2  # mostly negative: a masked cell must not count as 0


def over_cells(features: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The maximum over the marked cells of each photo, spelled out; over all of them where none is marked."""
    return np.stack(
        [
            f[c].max(axis=0) if c.any() else f.reshape(-1, f.shape[-1]).max(axis=0)
            for f, c in zip(features, cells, strict=True)
        ]
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_only_cells_of_the_person_count(dtype):
    cells = RNG.random((3, 4, 6)) < 0.4
    cells[2] = False  # nobody there
    masks = np.repeat(np.repeat(cells, 8, axis=1), 8, axis=2)[..., None].astype(dtype) * 255
    check_layer(MaskedMaxPooling2D(), [FEATURES, masks], over_cells(FEATURES, cells))


def test_the_average_is_over_the_same_cells():
    cells = RNG.random((3, 4, 6)) < 0.4
    cells[2] = False
    masks = np.repeat(np.repeat(cells, 8, axis=1), 8, axis=2)[..., None].astype(np.uint8) * 255
    expected = [f[c].mean(axis=0) if c.any() else f.mean(axis=(0, 1)) for f, c in zip(FEATURES, cells, strict=True)]
    check_layer(MaskedAveragePooling2D(), [FEATURES, masks], np.stack(expected))


def test_a_person_smaller_than_half_a_cell_is_nobody():
    masks = np.zeros((3, 32, 48, 1), np.uint8)
    masks[:, 3:5, 3:5] = 255
    check_layer(MaskedMaxPooling2D(), [FEATURES, masks], FEATURES.max(axis=(1, 2)))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_stays_finite(policy):
    cells = RNG.random((3, 4, 6)) < 0.4
    masks = np.repeat(np.repeat(cells, 8, axis=1), 8, axis=2)[..., None].astype(np.uint8) * 255
    with dtype_policy(policy):
        outputs = to_numpy(MaskedMaxPooling2D()([FEATURES, masks])).astype(np.float32)
    np.testing.assert_allclose(outputs, over_cells(FEATURES, cells), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("size", [(16, 24), (40, 40), (4, 6), (2, 3), (33, 70)])
def test_cells_are_those_of_tensorflows_resize(size):
    """One channel for every cell, highest in that cell: so the output tells which cells were pooled."""
    cells = np.broadcast_to(np.eye(24, dtype=np.float32).reshape(4, 6, 24), (50, 4, 6, 24))
    masks = RNG.integers(0, 256, (50, *size, 1)).astype(np.uint8)
    share = tf.image.resize(masks.astype(np.float32) / 255, (4, 6), antialias=True).numpy()
    person = share >= 0.5
    person |= ~person.any(axis=(1, 2), keepdims=True)
    found = to_numpy(MaskedMaxPooling2D()([cells, masks])).reshape(person.shape)
    decided = np.abs(share - 0.5) > 1e-5  # rounding may decide the others
    assert decided.mean() > 0.99
    np.testing.assert_array_equal(found[decided], person[decided])


def test_exactly_one_half_of_a_cell_is_enough():
    masks = np.zeros((1, 32, 48, 1), np.uint8)
    masks[:, :, :28] = 255  # the triangle of the cell in the fourth column, 24 to 32, is cut in the middle
    cells = np.broadcast_to(np.arange(6, dtype=np.float32), (1, 4, 6))[..., None]
    np.testing.assert_array_equal(to_numpy(MaskedMaxPooling2D()([cells, masks])), [[3]])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float16", "float32"])
def test_masks_of_zeros_and_ones_mean_what_they_say(dtype):
    cells = RNG.random((3, 4, 6)) < 0.4
    cells[2] = False  # nobody there
    masks = np.repeat(np.repeat(cells, 8, axis=1), 8, axis=2)[..., None]
    expected = over_cells(FEATURES, cells)
    np.testing.assert_array_equal(to_numpy(MaskedMaxPooling2D()([FEATURES, masks.astype(dtype)])), expected)
    # Each photo by itself: another photo's mask in the same batch changes nothing.
    mixed = masks.astype(np.float32) * np.array([1, 255, 1], np.float32).reshape(3, 1, 1, 1)
    np.testing.assert_array_equal(to_numpy(MaskedMaxPooling2D()([FEATURES, mixed])), expected)


def test_a_mask_that_was_resized_bicubically_means_what_it_meant():
    """It reaches a little above the 1 or the 255 of a person, and below 0."""
    cells = RNG.random((3, 4, 6)) < 0.4
    large = np.repeat(np.repeat(cells, 10, axis=1), 10, axis=2).astype(np.float32)
    masks = np.stack([Image.fromarray(mask).resize((48, 32), Image.Resampling.BICUBIC) for mask in large])[..., None]
    assert 1 < masks.max() < 2
    assert masks.min() < 0
    for scale in (1, 255):
        check_layer(MaskedMaxPooling2D(), [FEATURES, masks * scale], over_cells(FEATURES, cells))


def test_sizes_must_be_known():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1))])
    def pool(masks):
        return MaskedMaxPooling2D()([FEATURES, masks])

    with pytest.raises(ValueError, match="known sizes"):
        pool(tf.zeros((3, 32, 48, 1)))
    with pytest.raises(ValueError, match="known sizes"):
        MaskedMaxPooling2D()([FEATURES, keras.ops.zeros((3, 32, 48, 3))])
