import keras
import numpy as np
import pytest

from keras_sister import models
from keras_sister.folding import fold_batch_norm
from keras_sister.schema import Attribute, Schema
from keras_sister.segmentation.networks.deeplab import deeplab
from keras_sister.segmentation.networks.fcn8s import fcn8s
from keras_sister.segmentation.segmenters.network import NetworkSegmenter
from keras_sister.segmentation.segmenters.postprocessing import PostprocessedSegmenter

SCHEMA = Schema((Attribute("collar"), Attribute("neckline", ("v_shape", "round", "other"))))
RNG = np.random.default_rng(0)
VIEWS = {view: RNG.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8) for view in ("photo", "segmented")}


def trained(backbone: str) -> keras.Model:
    """Sister-A with statistics and weights that are not those of a fresh network."""
    keras.utils.set_random_seed(0)
    return disturbed(
        models.build("sister_a", SCHEMA, backbone=backbone, person_backbone="resnet_mini", weights="none", size=64)
    )


def disturbed(model: keras.Model) -> keras.Model:
    """Every channel of every weight is moved; kernels are random already, and have millions of values."""
    for weight in model.weights:
        value, channels = weight.numpy(), weight.shape[-1:]
        noise = np.abs(RNG.normal(0, 0.02, channels)) if "variance" in weight.path else RNG.normal(0, 0.01, channels)
        weight.assign(value * RNG.uniform(0.9, 1.1, channels) + noise)
    return model


def normalizations(model: keras.Model) -> list[str]:
    return [la.name for la in model._flatten_layers() if isinstance(la, keras.layers.BatchNormalization)]


@pytest.mark.parametrize(
    ("backbone", "left"), [("resnet_mini", 0), ("resnet50", 0), ("efficientnetv2-b0", 0), ("resnet50v2", 17)]
)
def test_the_same_answers_without_batch_normalisation(backbone, left):
    """In ResNet V2 seventeen come before a convolution or after a sum, where they stay."""
    model = trained(backbone)
    before = model.get_weights()
    folded = fold_batch_norm(model)
    assert len(normalizations(model)) > 20 - 1
    assert len(normalizations(folded)) == left
    expected = np.asarray(model(VIEWS, training=False))
    found = np.asarray(folded(VIEWS, training=False))
    assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    assert [tensor.name for tensor in folded.inputs] == [tensor.name for tensor in model.inputs]


def test_what_two_layers_look_at_is_not_folded():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    y = keras.layers.BatchNormalization()(x)
    activated = keras.layers.Conv2D(4, 3, activation="relu")(image)
    z = keras.layers.BatchNormalization()(activated)
    model = keras.Model(image, keras.layers.Add()([x, y, z]))
    for weight in model.weights:
        weight.assign(np.abs(RNG.normal(1, 0.3, weight.shape)))
    folded = fold_batch_norm(model)
    assert len(normalizations(folded)) == 2
    images = RNG.random((2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(images), model(images, training=False), rtol=1e-5)


@keras.saving.register_keras_serializable(package="tests")
class Doubled(keras.layers.Conv2D):
    def call(self, inputs):
        return 2 * super().call(inputs)


@keras.saving.register_keras_serializable(package="tests")
class Shifted(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return 5 + super().call(inputs, training=training, mask=mask)


def inner_outputs(pixels):
    """A model inside with two outputs, of which one is the convolution."""
    inner = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(4, 3)(inner)
    return keras.layers.Concatenate()(keras.Model(inner, [x, keras.layers.BatchNormalization()(x)])(pixels))


def adapted(kind: str):
    """A layer that is changed after it was built, between another convolution and batch normalisation."""

    def network(pixels):
        x = keras.layers.Conv2D(8, 3)(pixels)
        layer = keras.layers.Conv2D(4, 3) if kind == "lora" else keras.layers.Dense(6)
        y = keras.layers.BatchNormalization()(layer(x))
        layer.enable_lora(2) if kind == "lora" else layer.quantize(kind)
        return y

    return network


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize(
    "network",
    [
        inner_outputs,
        lambda pixels: keras.layers.BatchNormalization()(Doubled(4, 3)(pixels)),
        lambda pixels: Shifted()(keras.layers.Conv2D(4, 3)(pixels)),
        adapted("lora"),
        adapted("int8"),
        lambda pixels: keras.layers.BatchNormalization()(keras.ops.cast(keras.layers.Conv2D(4, 3)(pixels), "float32")),
    ],
    ids=["output of a model inside", "convolution", "normalization", "LoRA", "int8", "cast"],
)
def test_what_is_more_than_a_convolution_and_batch_normalisation_stays(network, bfloat16):
    pixels = keras.Input((64, 64, 3))
    own = keras.Model(pixels, network(pixels))
    for weight in own.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign(RNG.uniform(0.01, 0.1, weight.shape))
    model = models.build("baseline", SCHEMA, backbone=own, size=64)
    folded = fold_batch_norm(model, bfloat16=bfloat16)
    assert len(normalizations(folded)) == 1
    expected, found = (np.asarray(of({"photo": VIEWS["photo"]}, training=False)) for of in (model, folded))
    np.testing.assert_allclose(found, expected, rtol=0, atol=np.abs(expected).max() * (0.03 if bfloat16 else 1e-5))


def test_bfloat16_computes_in_it_and_keeps_float32_where_it_matters():
    model = trained("resnet_mini")
    fast = fold_batch_norm(model, bfloat16=True)
    expected, found = np.asarray(model(VIEWS, training=False)), np.asarray(fast(VIEWS, training=False))
    assert found.dtype == np.float32
    assert 1e-6 < np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    dtypes = {la.name: la.compute_dtype for la in fast._flatten_layers() if isinstance(la, keras.layers.Layer)}
    assert dtypes["stem_conv"] == "bfloat16"
    assert dtypes["normalization"] == dtypes["logits"] == "float32"
    # One layer in float32 between two in bfloat16 costs two casts, and TensorFlow no longer fuses them.
    stand_ins = [la for la in fast._flatten_layers() if isinstance(la, keras.layers.Identity)]
    assert {la.compute_dtype for la in stand_ins} == {"bfloat16"}
    assert all(weight.dtype == "float32" for weight in fast.weights)


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda: fcn8s(classes=2, width=1 / 16), 0),
        # KerasHub's decoder is a layer of its own, with six inside.
        (lambda: deeplab(classes=2, size=64, backbone="resnet_mini", weights="none"), 6),
    ],
    ids=["FCN-8s", "DeepLab"],
)
def test_a_segmenter_finds_the_same_person_without_batch_normalisation(build, left):
    keras.utils.set_random_seed(1)
    model = disturbed(build())
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(VIEWS["segmented"], training=True)  # for statistics as training would have left them
    segmenter = PostprocessedSegmenter(NetworkSegmenter(model, size=64, person=(0,)), keep_largest=False, margin=1)
    before = model.get_weights()
    folded = segmenter.folded()
    assert len(normalizations(folded.segmenter.model)) == left < len(normalizations(model))
    expected, found = segmenter(VIEWS["photo"]).numpy(), folded(VIEWS["photo"]).numpy()
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_a_segmenter_without_batch_normalisation_is_left_as_it_is():
    plain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)])
    segmenter = NetworkSegmenter(plain, size=8)
    assert segmenter.folded() is segmenter


def test_a_backbone_with_adapted_normalization_stays_exact():
    images = VIEWS["photo"].astype(np.float32)
    normalization = keras.layers.Normalization()
    normalization.adapt(images)
    pixels = keras.Input((64, 64, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 8, strides=8)(normalization(pixels)))
    network = disturbed(keras.Model(pixels, x))
    normalization.finalize_state()  # its statistics were disturbed too
    model = models.build("baseline", SCHEMA, backbone=network, size=64)
    folded = fold_batch_norm(model)
    expected = np.asarray(model({"photo": images}))
    np.testing.assert_allclose(folded({"photo": images}), expected, atol=1e-5 * np.abs(expected).max())
    assert type(folded) is type(model)
