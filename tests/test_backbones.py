import keras
import numpy as np
import pytest

from keras_sister.backbones import build_backbone
from keras_sister.config import BACKBONES
from keras_sister.errors import InputError

from .harness import to_numpy

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
PREPROCESSING = {
    "resnet50": keras.applications.resnet.preprocess_input,
    "resnet101": keras.applications.resnet.preprocess_input,
    "resnet50v2": keras.applications.resnet_v2.preprocess_input,
    "resnet_mini": keras.applications.resnet_v2.preprocess_input,
}


def normalized(tower: keras.Model) -> np.ndarray:
    """The photos as the network behind the tower's first layer gets them."""
    return to_numpy(tower.get_layer("normalization")(PHOTOS))


@pytest.mark.parametrize("network", PREPROCESSING)
def test_pixels_are_normalized_as_the_pretrained_weights_want_them(network):
    tower = build_backbone(network, size=64, weights="none")
    expected = PREPROCESSING[network](PHOTOS.astype(np.float32))
    np.testing.assert_allclose(normalized(tower), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("network", "application"),
    [
        ("efficientnetv2-b0", keras.applications.EfficientNetV2B0),
        ("efficientnetv2-s", keras.applications.EfficientNetV2S),
        ("convnext_tiny", keras.applications.ConvNeXtTiny),
    ],
)
def test_networks_that_normalize_by_themselves_give_the_same_map(network, application):
    tower = build_backbone(network, size=64, weights="none")
    theirs = application(include_top=False, weights=None, input_shape=(64, 64, 3))
    theirs.set_weights(tower.get_weights())  # mean and variance are none of them
    expected = to_numpy(theirs(PHOTOS.astype(np.float32), training=False))
    np.testing.assert_allclose(to_numpy(tower(PHOTOS, training=False)), expected, rtol=1e-3, atol=1e-3)


def test_resnet_mini_is_a_sixteenth_of_the_size():
    tower = build_backbone("resnet_mini", size=72, weights="none")
    assert tower.output_shape == (None, 5, 5, 128)


def test_a_network_of_ones_own_is_copied_with_its_weights():
    pixels = keras.Input((64, 64, 3))
    own = keras.Model(pixels, keras.layers.Conv2D(4, 3, strides=8)(keras.layers.Rescaling(1 / 255)(pixels)))
    first, second = (build_backbone(own, size=64, name=name) for name in ("first", "second"))
    expected = to_numpy(own(PHOTOS.astype(np.float32)))
    for tower in (first, second):
        np.testing.assert_allclose(to_numpy(tower(PHOTOS)), expected, atol=1e-6)
    first.trainable_weights[0].assign(keras.ops.zeros_like(first.trainable_weights[0]))
    for untouched in (second, own):
        np.testing.assert_allclose(to_numpy(untouched(PHOTOS.astype(np.float32))), expected, atol=1e-6)


def test_a_network_that_gives_no_map_is_refused():
    pixels = keras.Input((64, 64, 3))
    with pytest.raises(ValueError, match="one output map"):
        build_backbone(keras.Model(pixels, keras.layers.GlobalMaxPooling2D()(pixels)), size=64)


def test_weights_from_a_file(tmp_path):
    tower = build_backbone("resnet_mini", size=64, weights="none")
    file = tmp_path / "mini.weights.h5"
    tower.save_weights(file)
    for weights in (file, str(file), {"resnet_mini": str(file)}):
        again = build_backbone("resnet_mini", size=64, weights=weights, name="another")
        np.testing.assert_array_equal(to_numpy(again(PHOTOS)), to_numpy(tower(PHOTOS)))


def test_mistakes_about_weights_say_what_to_do(tmp_path):
    other = tmp_path / "other.weights.h5"
    build_backbone("resnet_mini", size=64, weights="none").save_weights(other)
    text = tmp_path / "text.weights.h5"
    text.write_text("no weights")
    mistakes = {
        ("resnet_mini", "imagenet"): "--weights none",
        ("resnet_mini", str(tmp_path / "none.h5")): "no such file",
        ("resnet_mini", str(text)): "not the weights of resnet_mini",
        ("resnet50", str(other)): "not the weights of resnet50",
        ("alexnet", "none"): "backbone must be one of",
    }
    for (network, weights), message in mistakes.items():
        with pytest.raises(InputError, match=message):
            build_backbone(network, size=64, weights=weights)
    with pytest.raises(InputError, match="no file for resnet_mini"):
        build_backbone("resnet_mini", size=64, weights={"resnet50": str(other)})


def test_weights_that_cannot_be_downloaded(monkeypatch, tmp_path):
    def unreachable(*args: object, **kwargs: object) -> None:
        raise Exception("URL fetch failure on https://…: None -- Name or service not known")

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", unreachable)
    with pytest.raises(InputError, match=r"(?s)URL fetch failure.*--weights FILE.*--weights none"):
        build_backbone("resnet50", size=64, weights="imagenet")


def test_all_names_are_known():
    assert {"resnet50", "resnet101", "resnet152", "resnet50v2", "resnet_mini"} < set(BACKBONES)
    assert any(name.startswith("efficientnetv2") for name in BACKBONES)
    assert any(name.startswith("convnext") for name in BACKBONES)
