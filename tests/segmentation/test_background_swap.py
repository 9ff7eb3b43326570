import numpy as np
import pytest
from scipy import ndimage

from keras_sister.segmentation.background_swap import (
    background_of,
    dilated,
    eroded,
    mask_error,
    shows_background,
    swap_background,
)
from keras_sister.segmentation.compositing import composite

SIZE = 56  # masks err by 1 pixel


@pytest.fixture
def photos():
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)


def box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE, 1), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


@pytest.fixture
def masks():
    return np.stack([box(10, 56, 20, 36), box(5, 50, 3, 30)])


def test_the_person_is_kept_and_the_background_is_the_others(photos, masks):
    swapped = swap_background(photos, masks, photos[::-1], masks[::-1]).numpy()
    for row, other in ((0, 1), (1, 0)):
        person = masks[row, ..., 0] > 0
        near_other = ndimage.binary_dilation(masks[other, ..., 0] > 0, np.ones((3, 3)))
        np.testing.assert_array_equal(swapped[row][person], photos[row][person])
        rest = ~person & ~near_other
        assert rest.any()
        np.testing.assert_array_equal(swapped[row][rest], photos[other][rest])


def test_nothing_of_either_old_pixel_shows_through(photos, masks):
    """What is hidden has no part in the result: the other person, and one's own background."""
    expected = swap_background(photos, masks, photos[::-1], masks[::-1]).numpy()
    altered, others = photos.copy(), photos[::-1].copy()
    altered[masks[..., 0] == 0] = 0
    others[masks[::-1, ..., 0] > 0] = 255
    np.testing.assert_array_equal(swap_background(altered, masks, others, masks[::-1]).numpy(), expected)


@pytest.mark.parametrize("background", ["white", "black"])
def test_a_person_on_a_plain_background_stays_the_same(photos, masks, background):
    swapped = swap_background(photos, masks, photos[::-1], masks[::-1])
    expected = composite(photos, masks, background)
    np.testing.assert_array_equal(composite(swapped, masks, background), expected)


def test_faint_and_neighbouring_pixels_of_the_other_person_are_hidden(photos):
    masks = np.stack([box(20, 30, 20, 30), box(20, 30, 20, 30)])
    masks[:, 20:30, 30] = 30  # person by 12 %
    marked = photos.copy()
    marked[:, 19:31, 19:32] ^= 255
    np.testing.assert_array_equal(background_of(marked, masks).numpy(), background_of(photos, masks).numpy())


def test_a_plain_background_is_filled_with_its_colour(masks):
    photos = np.full((2, SIZE, SIZE, 3), (10, 120, 240), np.uint8)
    photos[masks[..., 0] > 0] = 255
    filled = background_of(photos, masks).numpy()
    np.testing.assert_array_equal(filled, np.broadcast_to(np.array([10, 120, 240], np.uint8), filled.shape))


def test_the_fill_follows_what_is_near():
    photos, masks = np.zeros((1, SIZE, SIZE, 3), np.uint8), np.stack([box(0, 56, 24, 32)])
    photos[:, :, 28:] = 200
    filled = background_of(photos, masks).numpy()[0, :, :, 0].astype(int)
    assert filled[:, 24].max() < 100 < filled[:, 31].min()


def test_backgrounds_come_from_photos_with_a_person_and_a_background():
    nobody, all_person = np.zeros((SIZE, SIZE, 1), np.uint8), box(0, 56, 0, 56)
    masks = np.stack([nobody, all_person, box(10, 20, 10, 20), box(0, 50, 0, 56), box(0, 51, 0, 56)])
    # Of the last two, 5 and 4 of 56 rows are left beside the margin of 1: 8.9 % and 7.1 %.
    assert shows_background(masks).numpy().tolist() == [False, False, True, False, False]
    assert shows_background(box(0, 49, 0, 56)[None]).numpy().tolist() == [True]  # 6 rows, 10.7 %


@pytest.mark.parametrize(("change", "scipy"), [(eroded, ndimage.grey_erosion), (dilated, ndimage.grey_dilation)])
def test_wrong_masks_are_those_of_scipy(change, scipy):
    masks = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 1), dtype=np.uint8)
    assert mask_error(112) == 2
    expected = np.stack([scipy(mask[..., 0], size=(5, 5), mode="nearest") for mask in masks])
    np.testing.assert_array_equal(change(masks).numpy()[..., 0], expected)
