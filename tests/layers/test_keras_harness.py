"""On JAX and PyTorch the same runs in `tests.test_other_backends`."""

import pytest

from keras_sister import layers
from keras_sister.segmentation.networks.deeplab import CUSTOM_OBJECTS, SpatialPyramidPooling
from keras_sister.segmentation.networks.fcn8s import CropTo

from .keras_harness import CASES, run_layer_test

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have any trainable weights"),
    pytest.mark.filterwarnings("ignore:.*shuffle=True.* was passed"),
]
CROP = (CropTo, {"offset": 2}, ((4, 9, 9, 2), (4, 6, 5, 2)), ("float32", "float32"), (4, 6, 5, 2))


@pytest.mark.parametrize("case", [*CASES, CROP], ids=lambda case: case[0].__name__)
def test_every_layer_passes_the_test_of_keras(case):
    run_layer_test(*case)


def test_our_version_of_kerashubs_layer_passes_it_too():
    arguments = {"dilation_rates": [2], "num_channels": 6, "dropout": 0.0}
    run_layer_test(
        *(SpatialPyramidPooling, arguments, (2, 4, 4, 5), "float32", (2, 4, 4, 6)), custom_objects=CUSTOM_OBJECTS
    )


def test_no_layer_is_forgotten():
    assert {case[0].__name__ for case in CASES} == {name for name in vars(layers) if name[0].isupper()}
