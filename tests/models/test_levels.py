"""All levels of a backbone beside the maps that its layers make."""

import keras
import numpy as np
import pytest

from keras_sister.backbones import build_backbone
from keras_sister.backbones.efficientnet_lite import level_layers
from keras_sister.backbones.levels import with_all_levels
from keras_sister.errors import InputError
from keras_sister.explanation.heat_maps import heat_map
from keras_sister.models import build, load_model
from keras_sister.schema import Attribute, Schema

from ..harness import to_numpy

SCHEMA = Schema([Attribute("scarf", ("no", "yes"))])
ENDS = {
    "resnet_mini": ["stem_relu", "block1_out", "block2_out"],
    "efficientnet-lite0": ["block1a_project_bn", "block2b_add", "block3b_add", "block5c_add"],
}


def images(size: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("network", "size", "pooling"),
    [
        ("resnet_mini", 64, "max"),
        ("resnet_mini", 64, "mean"),
        ("resnet_mini", 40, "max"),  # a map of 20 × 20 in 3 × 3 cells: the mean of their means would be another one
        ("efficientnet-lite0", 64, "max"),
        ("efficientnet-lite0", 64, "mean"),
    ],
)
def test_pooled_levels_are_the_pooled_maps_of_each_size(network, size, pooling):
    keras.utils.set_random_seed(1)
    backbone = build_backbone(network, size=size, weights="none", name="photo_tower")
    levels = with_all_levels(backbone, network, pooling=pooling)
    maps = keras.Model(
        backbone.inputs[0], [*(backbone.get_layer(name).output for name in ENDS[network]), backbone.output]
    )
    reduce = np.max if pooling == "max" else np.mean
    expected = [reduce(to_numpy(each), axis=(1, 2)) for each in maps(images(size), training=False)]
    found = to_numpy(levels(images(size), training=False))
    assert found.shape[1:3] == backbone.output.shape[1:3]
    np.testing.assert_allclose(reduce(found, axis=(1, 2)), np.concatenate(expected, axis=1), rtol=1e-4, atol=1e-4)


def test_levels_of_every_efficientnet_lite_end_before_the_map_is_halved():
    for network in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"):
        backbone = build_backbone(network, size=64, weights="none")
        assert [backbone.get_layer(name).output.shape[1] for name in level_layers(network)] == [32, 16, 8, 4]


def test_a_saved_model_of_all_levels_predicts_the_same_and_shows_heat_maps(tmp_path):
    mini = {"backbone": "resnet_mini", "person_backbone": "resnet_mini", "weights": "none", "size": 32}
    model = build("sister_a", SCHEMA, **mini, levels="all", pooling="mean")
    views = {"photo": images(32), "segmented": images(32)}
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(load_model(tmp_path / "model.keras")(views), model(views), atol=1e-5)
    heat = heat_map(model, {view: image[:1] for view, image in views.items()}, attribute="scarf", class_name="yes")
    assert all(np.isfinite(each).all() and each.shape[:2] for each in heat.values())


def test_a_backbone_of_ones_own_shows_its_levels_if_it_has_some():
    pixels = keras.Input((32, 32, 3))
    half = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(pixels)
    own = keras.Model(pixels, keras.layers.Conv2D(6, 3, strides=2, padding="same")(half))
    model = build("baseline", SCHEMA, backbone=own, size=32, levels="all")
    assert model.get_layer("photo_pool").output.shape == (None, 10)
    one_size = keras.Model(pixels, keras.layers.Conv2D(6, 4, strides=4)(pixels))
    with pytest.raises(InputError, match="levels: all needs a backbone that makes maps of several sizes"):
        build("baseline", SCHEMA, backbone=one_size, size=32, levels="all")
