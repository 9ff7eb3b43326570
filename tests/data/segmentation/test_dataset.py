import numpy as np
from PIL import Image

from keras_sister.data.segmentation.dataset import resize_label_map


def test_labels_are_resized_without_mixing_as_pillow_does():
    labels = np.random.default_rng(0).integers(0, 21, (37, 50)).astype(np.uint8)
    for height, width in ((37, 50), (20, 20), (80, 64), (1, 3)):
        expected = Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(resize_label_map(labels, height, width), np.asarray(expected))
