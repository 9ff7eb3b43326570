"""Parameters counted by hand, from what the papers say."""

import keras
import pytest

from keras_sister import models
from keras_sister.config import SYSTEMS
from keras_sister.schema import DCSA


def resnet(blocks: tuple[int, ...]) -> int:
    """He et al. (2016), Table 1; in Keras a convolution has biases, and a batch normalisation follows."""

    def convolution(inputs: int, outputs: int, size: int) -> int:
        return inputs * outputs * size**2 + outputs + 4 * outputs

    total, channels = convolution(3, 64, 7), 64
    for stage, repeats in enumerate(blocks):
        narrow, wide = 64 * 2**stage, 256 * 2**stage
        total += convolution(channels, wide, 1)  # the shortcut of the first block
        for _ in range(repeats):
            total += convolution(channels, narrow, 1) + convolution(narrow, narrow, 3) + convolution(narrow, wide, 1)
            channels = wide
    return total


RESNET50, RESNET101, RESNET152 = map(resnet, ((3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)))
HIDDEN = 2048 * 1024 + 1024  # pooled vector to 1,024 units
SCORES = 1024 * 36 + 36

HEADS = {
    "baseline": HIDDEN + SCORES,
    "segmented": HIDDEN + SCORES,
    "sister_a": 2 * HIDDEN + SCORES,
    "sister_b": 2048 * 36 + 36,
    "twin": 2 * HIDDEN + SCORES,
    "gate_single": 2 * HIDDEN + (2048 * 1 + 1) + SCORES,
    "gate_add": 2 * HIDDEN + (2048 * 1024 + 1024) + SCORES,
    "gate_concat": 2 * HIDDEN + (2048 * 1024 + 1024) + 2048 * 36 + 36,
    "masked": HIDDEN + SCORES,
}


@pytest.fixture(scope="module")
def wide() -> keras.Model:
    """A network without parameters that gives 2,048 channels, as the ResNets do."""
    pixels = keras.Input((32, 32, 3))
    return keras.Model(pixels, keras.layers.Reshape((1, 1, 32 * 32 * 3))(pixels)[..., :2048])


@pytest.mark.parametrize(
    ("system", "networks", "towers"),
    [
        ("baseline", {"backbone": "resnet50"}, RESNET50),
        pytest.param(
            "sister_a",
            {"backbone": "resnet152", "person_backbone": "resnet50"},
            RESNET152 + RESNET50,
            marks=pytest.mark.slow,
        ),
        ("twin", {"backbone": "resnet101"}, 2 * RESNET101),
    ],
)
def test_the_papers_networks(system, networks, towers):
    model = models.build(system, DCSA, **networks, weights="none", size=64)
    assert model.count_params() == towers + HEADS[system]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_follows_the_towers(system, wide):
    model = models.build(system, DCSA, backbone=wide, person_backbone=wide, weights="none", size=32)
    assert model.count_params() == HEADS[system]


def test_masked_that_looks_at_everything_as_well(wide):
    model = models.masked(DCSA, backbone=wide, weights="none", size=32, whole=True)
    assert model.count_params() == 2 * HIDDEN + SCORES


def test_a_gate_on_pooled_vectors_leaves_the_hidden_layers_out(wide):
    model = models.gated(DCSA, gate="single", pooled=True, backbone=wide, person_backbone=wide, weights="none", size=32)
    assert model.count_params() == (2 * 2048 + 1) + 2048 * 36 + 36
