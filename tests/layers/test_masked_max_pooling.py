import numpy as np
import pytest

from keras_sister.layers import MaskedMaxPooling2D

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
