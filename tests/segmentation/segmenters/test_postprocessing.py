import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_sister.segmentation.dilation import dilate
from keras_sister.segmentation.segmenters.postprocessing import PostprocessedSegmenter, keep_largest

RNG = np.random.default_rng(0)
EIGHT = np.ones((3, 3))


class Given:
    """A segmenter that finds what it is given."""

    size, fingerprint = None, "given"

    def __init__(self, masks: np.ndarray) -> None:
        self.masks = masks

    def check(self, photos):
        raise LookupError(photos)

    def __call__(self, images, names=None):
        return tf.constant(self.masks)


def largest(probability: np.ndarray) -> np.ndarray:
    """The largest part of one mask, by SciPy: bool (height, width)."""
    parts, _ = ndimage.label(probability >= 0.5, EIGHT)
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])


def spiral(size: int) -> np.ndarray:
    """One part, as long as it can be made: every other line, joined at alternating ends."""
    mask = np.zeros((size, size), np.float32)
    mask[::2] = 1
    mask[1::4, -1] = 1
    mask[3::4, 0] = 1
    return mask


@pytest.mark.parametrize("blur", [0, 1, 3])
def test_the_largest_part_is_that_of_scipy(blur):
    noise = ndimage.gaussian_filter(RNG.random((6, 40, 33)), (0, blur, blur))
    masks = (noise / np.median(noise) / 2).astype(np.float32)[..., None]
    kept = keep_largest(tf.constant(masks)).numpy()
    for mask, found in zip(masks[..., 0], kept[..., 0], strict=True):
        part = largest(mask)
        near = ndimage.binary_dilation(part, EIGHT, iterations=3)
        np.testing.assert_array_equal(found, np.where(near, mask, 0))


def test_a_long_and_winding_part_is_one():
    mask = spiral(64)
    mask[20, :] = 0  # now there are two
    kept = keep_largest(tf.constant(mask[None, ..., None])).numpy()[0, ..., 0]
    np.testing.assert_array_equal((kept >= 0.5)[25:], largest(mask)[25:])
    assert not kept[:15].any()


def test_a_mask_without_anybody_stays_as_it_is():
    masks = np.full((1, 9, 9, 1), 0.3, np.float32)
    np.testing.assert_array_equal(keep_largest(tf.constant(masks)), masks)


def test_a_margin_is_a_dilation():
    masks = RNG.random((3, 20, 17, 1)).astype(np.float32) ** 8
    grown = dilate(tf.constant(masks), 2).numpy()
    for mask, found in zip(masks[..., 0], grown[..., 0], strict=True):
        np.testing.assert_array_equal(found, ndimage.grey_dilation(mask, (5, 5), mode="constant"))


def test_both_in_a_graph_and_with_a_fingerprint_of_their_own():
    masks = np.zeros((1, 30, 30, 1), np.float32)
    masks[0, 2:12, 2:12] = masks[0, 20:25, 20:25] = 1
    segmenter = PostprocessedSegmenter(Given(masks), keep_largest=True, margin=4)
    found = tf.function(segmenter)(tf.zeros((1, 30, 30, 3))).numpy()[0, ..., 0]
    expected = np.zeros((30, 30))
    expected[:16, :16] = 1
    np.testing.assert_array_equal(found, expected)
    others = {
        PostprocessedSegmenter(Given(masks), keep_largest=k, margin=m).fingerprint
        for k in (True, False)
        for m in (0, 4)
    }
    assert len(others) == 4
    with pytest.raises(LookupError):
        segmenter.check(["a"])
