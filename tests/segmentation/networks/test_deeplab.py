import sys
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.segmentation.networks.deeplab import deeplab
from keras_sister.segmentation.segmenters.network import (
    NetworkSegmenter,
    deeplab_preset_segmenter,
    load_segmenter,
    save_segmenter,
)
from keras_sister.segmentation.segmenters.open import open_segmenter

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)


def preset(folder, *, classes: int = 21, activation: str | None = None) -> keras_hub.models.DeepLabV3ImageSegmenter:
    """Write a small KerasHub DeepLab as a preset in the layout of the published one."""
    keras.utils.set_random_seed(0)
    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64, 64],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
    )
    backbone = keras_hub.models.DeepLabV3Backbone(
        image_encoder=encoder,
        spatial_pyramid_pooling_key="P5",
        upsampling_size=8,
        dilation_rates=[6, 12, 18],
        low_level_feature_key="P2",
    )
    converter = keras_hub.layers.DeepLabV3ImageConverter(
        image_size=(64, 64), scale=[0.017, 0.018, 0.019], offset=[-2.1, -2.0, -1.8]
    )
    task = keras_hub.models.DeepLabV3ImageSegmenter(
        backbone=backbone,
        num_classes=classes,
        activation=activation,
        preprocessor=keras_hub.models.DeepLabV3ImageSegmenterPreprocessor(image_converter=converter),
    )
    task.save_to_preset(str(folder))
    return task


@pytest.fixture(scope="module")
def logits_preset(tmp_path_factory) -> tuple[Path, keras_hub.models.DeepLabV3ImageSegmenter]:
    """A preset without activation, and its network."""
    folder = tmp_path_factory.mktemp("preset") / "preset"
    return folder, preset(folder)


@pytest.fixture(scope="module")
def on_resnet50() -> keras.Model:
    return deeplab(classes=2, size=64, backbone="resnet50", weights="none")


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_preset_predicts_what_kerashub_predicts(logits_preset, tmp_path, activation):
    softmax = tmp_path / "preset"
    folder, task = logits_preset if activation is None else (softmax, preset(softmax, activation=activation))
    expected = task.predict(PHOTOS.astype(np.float32), verbose=0)  # with KerasHub's own preprocessing
    if activation is None:
        expected = tf.nn.softmax(expected).numpy()
    segmenter = open_segmenter(f"deeplab:{folder}")
    assert segmenter.size == 64
    np.testing.assert_allclose(segmenter.probabilities(PHOTOS), expected, atol=1e-5)
    np.testing.assert_allclose(segmenter(tf.constant(PHOTOS))[..., 0], expected[..., 15], atol=1e-5)


def test_training_from_a_preset_starts_with_its_features(logits_preset):
    folder, task = logits_preset
    model = deeplab(classes=3, size=96, weights=str(folder))
    photos = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3)).astype(np.float32)
    scaled = photos * np.array([0.017, 0.018, 0.019]) + np.array([-2.1, -2.0, -1.8])
    features = keras.Model(model.input, model.get_layer("logits").input)(photos)
    np.testing.assert_allclose(features, task.backbone(scaled.astype(np.float32)), rtol=1e-3, atol=1e-4)
    assert model(photos).shape == (1, 96, 96, 3)


@pytest.mark.parametrize("backbone", ["resnet_mini", "resnet50", "efficientnetv2-b0"])
def test_a_saved_segmenter_loads_and_predicts_the_same(tmp_path, backbone, request):
    if backbone == "resnet50":
        model = request.getfixturevalue("on_resnet50")
    else:
        model = deeplab(classes=2, size=64, backbone=backbone, weights="none")
    assert model.output_shape == (None, 64, 64, 2)
    segmenter = NetworkSegmenter(model, size=64)
    save_segmenter(tmp_path, segmenter, None)
    again = load_segmenter(tmp_path)
    np.testing.assert_array_equal(again(tf.constant(PHOTOS)), segmenter(tf.constant(PHOTOS)))
    assert again.fingerprint.startswith("deeplab:")


def test_resnet50_has_the_published_parameter_count(on_resnet50):
    """KerasHub reports 39,190,656 parameters for its preset without the last convolution."""
    published = 39_190_656
    # The convolutions of keras.applications have biases, those of KerasHub's ResNet have none.
    biases = sum(
        layer.bias.shape[0]
        for layer in on_resnet50.get_layer("features").layers[1].layers
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias
    )
    assert on_resnet50.count_params() - 256 * 2 - biases == published


def test_invalid_sizes_and_presets_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"multiple of 32 for DeepLab\. Received: 100"):
        deeplab(classes=2, size=100, weights="none")
    with pytest.raises(InputError, match=r"nothing: not a DeepLab preset that can be loaded here"):
        deeplab_preset_segmenter(str(tmp_path / "nothing"))
    preset(tmp_path / "two", classes=2)
    with pytest.raises(InputError, match="2 classes; expected the 21 of PASCAL VOC"):
        deeplab_preset_segmenter(str(tmp_path / "two"))
    (tmp_path / "two" / "task.weights.h5").write_bytes(b"broken")
    with pytest.raises(InputError, match="not a DeepLab preset"):
        deeplab_preset_segmenter(str(tmp_path / "two"))


def test_without_kerashub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.delitem(sys.modules, "keras_sister.segmentation.networks.deeplab")
    with pytest.raises(InputError, match=r"pip install .*\[deeplab\]'"):
        open_segmenter("deeplab:deeplab_v3_plus_resnet50_pascalvoc")
