"""Postprocessing of masks: keep the largest connected component, dilate the mask."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from keras_sister.segmentation.dilation import dilate
from keras_sister.segmenter import Segmenter


class PostprocessedSegmenter(tf.Module):
    """A segmenter with postprocessing of its masks.

    Args:
        segmenter: the segmenter to wrap.
        keep_largest: keep only the largest connected component, which removes passers-by.
        margin: dilate the mask by this many pixels, at the segmenter's size.

    Attributes:
        size: size of the wrapped segmenter.
        fingerprint: that of the wrapped segmenter and both settings.
    """

    def __init__(self, segmenter: Segmenter, *, keep_largest: bool, margin: int) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.keep_largest = keep_largest
        self.margin = margin
        self.size = segmenter.size
        self.fingerprint = f"{segmenter.fingerprint} {keep_largest=} {margin=}"

    def __repr__(self) -> str:
        return f"{self.segmenter!r} with keep_largest={self.keep_largest}, margin={self.margin}"

    def folded(self) -> "PostprocessedSegmenter":
        """See `keras_sister.segmenter.Segmenter`."""
        folded = self.segmenter.folded()
        return PostprocessedSegmenter(folded, keep_largest=self.keep_largest, margin=self.margin)

    def check(self, photos: Sequence[Path]) -> None:
        """See `keras_sister.segmenter.Segmenter`."""
        self.segmenter.check(photos)

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        probability = self.segmenter(images, names)
        if self.keep_largest:
            probability = keep_largest(probability)
        return dilate(probability, self.margin)


def keep_largest(probability: tf.Tensor) -> tf.Tensor:
    """Set everything but the largest connected component of each mask to 0.

    Pixels of at least 0.5 are connected to their eight neighbours. Pixels within 3 pixels of the largest component
    keep their value, so that soft edges stay soft. A mask without such pixels does not change.

    Args:
        probability: float32 tensor, shape (batch, height, width, 1).

    Returns:
        Tensor of the same shape.
    """
    person = probability[..., 0] >= 0.5
    batch, height, width = tf.unstack(tf.shape(person))
    labels = _components(person)
    pixels = height * width
    # One row of counters per photo; label 0 is the background.
    places = tf.reshape(labels, (batch, pixels)) + tf.range(batch)[:, None] * (pixels + 1)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(places), places, batch * (pixels + 1))
    largest = 1 + tf.argmax(tf.reshape(counts, (batch, pixels + 1))[:, 1:], axis=1, output_type=tf.int32)
    kept = tf.cast(labels == largest[:, None, None], tf.float32)[..., None]
    nobody = tf.logical_not(tf.reduce_any(person, axis=(1, 2)))[:, None, None, None]
    return tf.where(nobody | (dilate(kept, 3) > 0), probability, 0.0)


def _components(person: tf.Tensor) -> tf.Tensor:
    """Label connected components: int32 (batch, height, width); 0 = background, else a component's last pixel.

    Every pixel points to a later pixel of its component, at first to itself. In each round a pixel takes the largest
    target of its neighbours, passes it on to its own target, and then follows its target's pointer. Path lengths
    double each round, so few rounds are enough for any shape (Shiloach and Vishkin, "An O(log n) Parallel
    Connectivity Algorithm", Journal of Algorithms 3, 1982).
    """
    batch, height, width = tf.unstack(tf.shape(person))
    pixels = height * width
    first = tf.range(batch)[:, None] * (pixels + 1)  # first label of each photo; 0 is the background
    numbers = tf.range(1, pixels + 1)[None]
    inside = tf.reshape(person, (batch, pixels))

    def target_of_target(targets: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.pad(targets, [[0, 0], [1, 0]]), targets, batch_dims=1)

    def hook_and_jump(targets: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        around = _max_of_neighbours(tf.reshape(targets, (batch, height, width)))
        around = tf.where(inside, tf.reshape(around, (batch, pixels)), 0)
        hooked = tf.math.unsorted_segment_max(around, targets + first, batch * (pixels + 1))
        hooked = tf.reshape(hooked, (batch, pixels + 1))[:, 1:]
        jumped = target_of_target(target_of_target(tf.where(inside, tf.maximum(around, hooked), 0)))
        return jumped, tf.reduce_any(jumped != targets)

    start = tf.where(inside, numbers, 0)
    shapes = (tf.TensorShape((None, None)), tf.TensorShape(()))
    targets, _ = tf.while_loop(lambda _, changed: changed, hook_and_jump, (start, tf.constant(True)), shapes)
    return tf.reshape(targets, (batch, height, width))


def _max_of_neighbours(labels: tf.Tensor) -> tf.Tensor:
    for axis in (1, 2):
        padding = [[0, 0], [0, 0], [0, 0]]
        padding[axis] = [1, 1]
        padded = tf.pad(labels, padding)
        before, after = (padded[:, :-2], padded[:, 2:]) if axis == 1 else (padded[:, :, :-2], padded[:, :, 2:])
        labels = tf.maximum(labels, tf.maximum(before, after))
    return labels
