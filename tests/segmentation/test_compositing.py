import numpy as np
import pytest
import tensorflow as tf

from keras_sister.segmentation.compositing import composite

PHOTOS = np.random.default_rng(0).integers(0, 256, (4, 9, 7, 3)).astype(np.uint8)
MASKS = np.random.default_rng(1).integers(0, 256, (4, 9, 7, 1)).astype(np.uint8)


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_only_pixels_of_the_person_stay(background, level):
    seen = composite(tf.constant(PHOTOS), tf.constant(MASKS), background).numpy()
    assert seen.dtype == np.uint8
    for i, y, x in np.ndindex(4, 9, 7):
        expected = PHOTOS[i, y, x] if MASKS[i, y, x, 0] >= 128 else [level] * 3
        np.testing.assert_array_equal(seen[i, y, x], expected)


def test_where_nobody_is_found_the_photo_stays_whole_and_its_neighbours_do_not():
    masks = MASKS.copy()
    masks[2] = 127
    seen = composite(tf.constant(PHOTOS), tf.constant(masks), "white").numpy()
    np.testing.assert_array_equal(seen[2], PHOTOS[2])
    assert all((seen[i] == 255).all(axis=2).sum() > 10 for i in (0, 1, 3))


def test_other_backgrounds_are_refused():
    with pytest.raises(ValueError, match="Expected background to be one of"):
        composite(tf.constant(PHOTOS), tf.constant(MASKS), "pink")
