import inspect
import re
import warnings
from functools import cache

import keras
import numpy as np
import pytest

from keras_sister.backbones import build_backbone
from keras_sister.config import BACKBONES, Experiment
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


def adapted() -> keras.layers.Normalization:
    layer = keras.layers.Normalization()
    layer.adapt(PHOTOS.astype(np.float32))
    return layer


@cache
def own_networks() -> dict[str, keras.Model]:
    layers, pixels = keras.layers, keras.Input((64, 64, 3))
    conv = layers.Conv2D(4, 3, strides=8)
    networks = {
        "functional": keras.Model(pixels, conv(adapted()(pixels))),
        "sequential": keras.Sequential([keras.Input((64, 64, 3)), adapted(), layers.Conv2D(4, 3, strides=8)]),
        "nested": keras.Model(pixels, 2 * keras.Sequential([adapted(), layers.Conv2D(4, 3, strides=8)])(pixels)),
        "frozen": keras.Model(pixels, layers.BatchNormalization()(layers.Conv2D(4, 3)(adapted()(pixels)))),
        "partly frozen": keras.Model(pixels, layers.BatchNormalization()(layers.Conv2D(4, 3)(pixels / 255))),
        "frozen outside": keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(4, 3), layers.Conv2D(4, 3)]),
        "compiled": keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(4, 3, strides=8)]),
        "any size": keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, strides=8)]),
    }
    networks["frozen"].trainable = False
    networks["partly frozen"].layers[-2].trainable = False
    networks["frozen outside"].trainable = False
    networks["frozen outside"].layers[-1].trainable = True
    networks["compiled"].compile("adam", loss=lambda y, p: keras.ops.mean(p))
    networks["compiled inside"] = keras.Model(pixels, networks["compiled"](pixels))
    for network in networks.values():
        for weight in network.trainable_weights:
            weight.assign(np.random.default_rng(1).normal(0, 0.1, weight.shape))
    return networks


@pytest.mark.parametrize(
    "kind",
    [
        "functional",
        "sequential",
        "nested",
        "frozen",
        "partly frozen",
        "frozen outside",
        "compiled",
        "compiled inside",
        "any size",
    ],
)
def test_a_network_of_ones_own_is_copied_exactly(kind, tmp_path):
    own = own_networks()[kind]
    expected = to_numpy(own(PHOTOS.astype(np.float32)))
    tower = build_backbone(own, size=64)
    tower.save(tmp_path / "tower.keras")
    for copy in (tower, keras.saving.load_model(tmp_path / "tower.keras")):
        np.testing.assert_array_equal(to_numpy(copy(PHOTOS)), expected)
        assert len(copy.trainable_weights) == len(own.trainable_weights)
    assert own_networks()["compiled"].compiled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the loss of the compiled ones, a lambda, is unsafe
        own.save(tmp_path / "own.keras")
    for file in (tmp_path / "own.keras", str(tmp_path / "own.keras")):
        np.testing.assert_array_equal(to_numpy(build_backbone(file, size=64)(PHOTOS)), expected)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.convolution = keras.layers.Conv2D(4, 3)

    def call(self, images):
        return self.convolution(images)


@keras.saving.register_keras_serializable(package="tests")
class Doubled(keras.Model):
    """A functional model that does more than its layers."""

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


class Shapeless(keras.layers.Layer):
    def call(self, inputs):
        raise NotImplementedError


class Unreadable(keras.layers.Layer):
    def call(self, inputs):
        return inputs

    def get_config(self):
        raise RuntimeError("not mine")


PIXELS = keras.Input((64, 64, 3))
MAP = keras.layers.Conv2D(4, 3)(PIXELS)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: keras.Model(PIXELS, keras.layers.GlobalMaxPooling2D()(PIXELS)), "one output map"),
        (lambda: keras.Model(PIXELS, [MAP, PIXELS]), "one output map"),
        (
            lambda: keras.Sequential([keras.layers.Conv2D(4, 3)]),
            r"not built; begin it with keras.Input\(\(64, 64, 3\)\)",
        ),
        (
            lambda: keras.Sequential([keras.Input((64, 64, 3)), Shapeless(), keras.layers.Conv2D(4, 3)]),
            "has a layer whose output shape is unknown",
        ),
        (lambda: keras.Sequential([keras.Input((64, 64, 3)), Unreadable()]), "cannot be copied: not mine"),
        (Subclassed, "a subclassed model cannot be copied"),
        (lambda: Doubled(PIXELS, MAP), "computes something else"),
        (lambda: keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)]), "takes images .*32, 32, 3"),
        (lambda: keras.Sequential([keras.Input((64, 64, 1)), keras.layers.Conv2D(4, 3)]), "takes images .*64, 64, 1"),
    ],
)
def test_what_cannot_be_copied_gets_one_line(network, message):
    with pytest.raises(InputError, match=message) as error:
        build_backbone(network(), size=64)
    assert "\n" not in str(error.value)


def test_code_in_a_file_is_refused_beside_a_loss_that_is_left_out(tmp_path):
    inner = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 3)])
    inner.compile("adam", loss=lambda y, p: keras.ops.mean(p))
    file = tmp_path / "both.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras.Sequential([keras.Input((64, 64, 3)), inner, keras.layers.Lambda(lambda x: x * 2)]).save(file)
    with pytest.raises(InputError, match=r"both\.keras: not a Keras model that can be loaded safely: .*lambda"):
        build_backbone(file, size=64)


def test_files_that_are_unsafe_missing_or_changed_are_refused(tmp_path):
    own = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Conv2D(4, 3)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is unsafe, which Keras says depending on what was saved before
        own.save(tmp_path / "lambda.keras")
    (tmp_path / "text.keras").write_text("no model")
    keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 3)]).save(tmp_path / "own.keras")
    recorded = Experiment(backbone=str(tmp_path / "own.keras")).absolute().backbone
    assert build_backbone(recorded, size=64).output_shape == (None, 62, 62, 4)
    (tmp_path / "own.keras").write_bytes((tmp_path / "own.keras").read_bytes() + b" ")
    for file, message in (
        (tmp_path / "none.keras", "no such file"),
        (tmp_path / "text.keras", r"text\.keras: not a Keras model that can be loaded safely"),
        (tmp_path / "lambda.keras", r"lambda\.keras: not a Keras model that can be loaded safely"),
        (recorded, r"own\.keras: changed since the run was started"),
    ):
        with pytest.raises(InputError, match=message):
            build_backbone(str(file), size=64)


@pytest.mark.parametrize(
    ("places", "value", "reason"),
    [
        ({b"PK\x01\x02": 10, b"PK\x03\x04": 8}, 99, "compression method is not supported"),
        ({b"PK\x01\x02": 10, b"PK\x03\x04": 8}, 8, "decompressing"),
        ({b"PK\x01\x02": 8, b"PK\x03\x04": 6}, 1, "encrypted"),
    ],
)
def test_a_damaged_file_is_one_line(places, value, reason, tmp_path):
    """One byte of the headers of the ZIP archive: the method of compression, or the flags."""
    file = tmp_path / "own.keras"
    keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 3)]).save(file)
    contents = bytearray(file.read_bytes())
    for signature, place in places.items():
        for found in re.finditer(re.escape(signature), bytes(contents)):
            contents[found.start() + place] = value
    file.write_bytes(contents)
    with pytest.raises(InputError, match=rf"own\.keras: not a Keras model that can be loaded safely: .*{reason}"):
        build_backbone(file, size=64)


@pytest.mark.parametrize(
    ("name", "network", "size"),
    [
        ("MobileNetV2", keras.applications.MobileNetV2, 64),
        ("MobileNetV3Small", keras.applications.MobileNetV3Small, 64),
        ("EfficientNetB0", keras.applications.EfficientNetB0, 64),
        ("vgg16", keras.applications.VGG16, 64),
        ("densenet-121", keras.applications.DenseNet121, 64),
        ("Xception", keras.applications.Xception, 96),
    ],
)
def test_any_network_of_keras_with_its_own_preprocessing(name, network, size):
    photos = np.random.default_rng(0).integers(0, 256, (1, size, size, 3)).astype(np.uint8)
    tower = build_backbone(name, size=size, weights="none")
    theirs = network(include_top=False, weights=None, input_shape=(size, size, 3))
    # MobileNetV3 scales inside, which has no weights; what EfficientNet scales by is adapted, and has.
    theirs.set_weights(tower.get_weights())
    preprocess = inspect.getmodule(network).preprocess_input
    expected = to_numpy(theirs(preprocess(photos.astype(np.float32)), training=False))
    found = to_numpy(tower(photos, training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_network_is_recorded_by_one_name_however_it_is_spelt():
    for name in ("EfficientNetV2B0", "efficientnetv2b0", "efficientnetv2-b0", "EFFICIENTNET_V2_B0"):
        assert Experiment(backbone=name).backbone == "efficientnetv2-b0"
    every = [name for name in dir(keras.applications) if name[0].isupper()]
    assert len({Experiment(backbone=name).backbone for name in every}) == len(every) > 35
    with pytest.raises(InputError, match=r"Received: 'resnet51'. Did you mean resnet50"):
        Experiment(backbone="resnet51")


def test_photos_too_small_for_a_network():
    with pytest.raises(InputError, match="InceptionV3: cannot be built for 32 × 32 pixels"):
        build_backbone("inceptionv3", size=32, weights="none")


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
        ("vgg16", str(other)): "not the weights of vgg16",
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
        build_backbone("vgg16", size=64, weights="imagenet")


def test_all_names_are_known():
    assert {"resnet50", "resnet101", "resnet152", "resnet50v2", "resnet_mini"} < set(BACKBONES)
    assert any(name.startswith("efficientnetv2") for name in BACKBONES)
    assert any(name.startswith("convnext") for name in BACKBONES)
