import numpy as np
import pytest
import tensorflow as tf

from keras_sister.data.augment import LIGHT, SHIFT, augment
from keras_sister.data.chance import DRAWS, random_draws

SIZE = 50
RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(40, 160, (4, SIZE, SIZE, 3), dtype=np.uint8)
MASKS = RNG.integers(0, 256, (4, SIZE, SIZE, 1), dtype=np.uint8)
STAY = [0.0, 0.0, 0.0, 0.0, 0.0]  # flip at negative draws only


def varied(draws: list[float]) -> tuple[np.ndarray, np.ndarray]:
    def run(photos: tf.Tensor, masks: tf.Tensor) -> dict[str, tf.Tensor]:
        return augment({"photo": photos, "mask": masks}, tf.constant([draws] * len(PHOTOS), tf.float32))

    eager = run(tf.constant(PHOTOS), tf.constant(MASKS))
    mapped = next(iter(tf.data.Dataset.from_tensors((PHOTOS, MASKS)).map(run)))
    for view in ("photo", "mask"):
        np.testing.assert_array_equal(eager[view], mapped[view])
    return eager["photo"].numpy(), eager["mask"].numpy()


def test_nothing_drawn_changes_nothing():
    photos, masks = varied(STAY)
    np.testing.assert_array_equal(photos, PHOTOS)
    np.testing.assert_array_equal(masks, MASKS)


def test_photo_and_mask_are_flipped_alike():
    photos, masks = varied([-0.5, 0, 0, 0, 0])
    np.testing.assert_array_equal(photos, PHOTOS[:, :, ::-1])
    np.testing.assert_array_equal(masks, MASKS[:, :, ::-1])


@pytest.mark.parametrize(("down", "right"), [(1.0, 0.0), (0.0, -1.0), (-0.5, 0.5)])
def test_shifting_repeats_the_border(down, right):
    photos, masks = varied([0, down, right, 0, 0])
    dy, dx = round(SHIFT * down * SIZE), round(SHIFT * right * SIZE)
    for moved, still in ((photos, PHOTOS), (masks, MASKS)):
        padded = np.pad(still, ((0, 0), (10, 10), (10, 10), (0, 0)), mode="edge")
        np.testing.assert_array_equal(moved, padded[:, 10 - dy : 10 - dy + SIZE, 10 - dx : 10 - dx + SIZE])


@pytest.mark.parametrize(("brightness", "contrast"), [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.5, -0.5)])
def test_light_changes_the_photo_alone(brightness, contrast):
    photos, masks = varied([0, 0, 0, brightness, contrast])
    levels = PHOTOS.astype(np.float64)
    mean = levels.mean(axis=(1, 2, 3), keepdims=True)
    expected = (mean + (levels - mean) * (1 + LIGHT * contrast)) * (1 + LIGHT * brightness)
    assert np.abs(photos - expected.clip(0, 255)).max() <= 0.51
    np.testing.assert_array_equal(masks, MASKS)


def test_draws_depend_on_seed_epoch_and_row_alone():
    rows = np.array([7, 3, 11])
    drawn = random_draws(1, 2, rows)
    assert drawn.shape == (3, DRAWS)
    np.testing.assert_array_equal(random_draws(1, 2, rows[::-1]), drawn[::-1])
    for other in (random_draws(0, 2, rows), random_draws(1, 3, rows), random_draws(1, 2, rows + 1)):
        assert not np.isin(other, drawn).any()


def test_draws_fill_their_range():
    drawn = random_draws(0, 0, np.arange(2000))
    assert -1 <= drawn.min() < -0.99
    assert 0.99 < drawn.max() < 1
    assert np.abs(drawn.mean(axis=0)).max() < 0.06
