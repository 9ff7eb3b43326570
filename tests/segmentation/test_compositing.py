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


def test_the_mean_colour_is_the_photos():
    seen = composite(tf.constant(PHOTOS), tf.constant(MASKS), "mean").numpy()
    for photo, mask, found in zip(PHOTOS, MASKS[..., 0], seen, strict=True):
        expected = np.broadcast_to(np.round(photo.mean(axis=(0, 1))), photo.shape)
        np.testing.assert_allclose(found[mask < 128], expected[mask < 128], atol=1)
        np.testing.assert_array_equal(found[mask >= 128], photo[mask >= 128])


def test_a_blurred_background_keeps_colours_and_no_shapes():
    photo = np.zeros((1, 96, 96, 3), np.uint8)
    photo[0, :, 48:, 0] = 200
    photo[0, ::2] += 40  # fine lines
    mask = np.zeros((1, 96, 96, 1), np.uint8)
    mask[0, 40:50, 40:50] = 255
    seen = composite(tf.constant(photo), tf.constant(mask), "blur").numpy()[0].astype(float)
    assert np.ptp(seen[:, 5, 1]) < 3  # the lines are gone
    np.testing.assert_allclose(seen[70, [5, 90]], [[20, 20, 20], [220, 20, 20]], atol=3)
    np.testing.assert_array_equal(seen[45, 45], photo[0, 45, 45])


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_soft_edges_are_mixed(background, level):
    masks = MASKS.copy()
    masks[1] = 100  # nobody
    seen = composite(tf.constant(PHOTOS), tf.constant(masks), background, "soft").numpy()
    share = masks / 255
    expected = share * PHOTOS + (1 - share) * level
    expected[1] = PHOTOS[1]
    np.testing.assert_allclose(seen, expected, atol=0.51)


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="Expected background to be one of"):
        composite(tf.constant(PHOTOS), tf.constant(MASKS), "pink")
    with pytest.raises(ValueError, match="Expected edges to be one of"):
        composite(tf.constant(PHOTOS), tf.constant(MASKS), "white", "frayed")
