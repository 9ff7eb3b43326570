"""On JAX and PyTorch the same runs in `tests.test_other_backends`."""

import importlib
from pathlib import Path

import keras
import pytest

import keras_sister
from keras_sister.backbones.hub_network import HubNetwork
from keras_sister.models.attribute_model import AttributeModel
from keras_sister.segmentation.networks.deeplab import CUSTOM_OBJECTS, SpatialPyramidPooling
from keras_sister.segmentation.networks.fcn8s import CropTo

from .keras_harness import CASES, run_layer_test

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have any trainable weights"),
    pytest.mark.filterwarnings("ignore:.*shuffle=True.* was passed"),
]
CROP = (CropTo, {"offset": 2}, ((4, 9, 9, 2), (4, 6, 5, 2)), ("float32", "float32"), (4, 6, 5, 2))
VIT = {"image_shape": (16, 16, 3), "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
RESNET = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64],
    "stackwise_num_blocks": [1],
    "stackwise_num_strides": [1],
    "block_type": "basic_block",
    "image_shape": (16, 16, 3),
}
HUB = [
    ("ViTBackbone", VIT, (2, 16, 16, 3), (2, 2, 2, 8)),
    ("ResNetBackbone", RESNET, (2, 16, 16, 3), (2, 4, 4, 64)),
]


@pytest.mark.parametrize("case", [*CASES, CROP], ids=lambda case: case[0].__name__)
def test_every_layer_passes_the_test_of_keras(case):
    run_layer_test(*case)


def test_our_version_of_kerashubs_layer_passes_it_too():
    arguments = {"dilation_rates": [2], "num_channels": 6, "dropout": 0.0}
    run_layer_test(
        *(SpatialPyramidPooling, arguments, (2, 4, 4, 5), "float32", (2, 4, 4, 6)), custom_objects=CUSTOM_OBJECTS
    )


@pytest.mark.parametrize(("network", "settings", "shape", "expected"), HUB, ids=["ViT", "ResNet"])
def test_the_layer_of_kerashubs_networks_passes_it_too(network, settings, shape, expected):
    run_layer_test(HubNetwork, {"network": network, "settings": settings}, shape, "float32", expected)


def test_no_layer_is_forgotten():
    """Of all that a saved model may name."""
    package = Path(keras_sister.__file__).parent
    for file in package.rglob("*.py"):
        if "register_keras_serializable(" in file.read_text(encoding="utf-8"):
            importlib.import_module(".".join(file.relative_to(package.parent).with_suffix("").parts))
    registered = [
        value for name, value in keras.saving.get_custom_objects().items() if name.startswith("keras_sister>")
    ]
    ours = {value for value in registered if isinstance(value, type) and issubclass(value, keras.layers.Layer)}
    assert {case[0] for case in [*CASES, CROP]} | {HubNetwork} == ours - {AttributeModel}
