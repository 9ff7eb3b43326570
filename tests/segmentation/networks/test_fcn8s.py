import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.segmentation.networks.fcn8s import Bilinear, CropTo, fcn8s

WIDTH = 1 / 16


@pytest.fixture(scope="module")
def small() -> keras.Model:
    keras.utils.set_random_seed(0)
    return fcn8s(classes=2, width=WIDTH)


@pytest.fixture(scope="module")
def published() -> keras.Model:
    """The network of 134 million weights."""
    return fcn8s(classes=21)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 50), (97, 31)])
def test_a_photo_of_any_size_gets_scores_for_every_pixel(small, height, width):
    logits = small(np.zeros((2, height, width, 3), np.uint8))
    assert logits.shape == (2, height, width, 2)
    assert logits.dtype == tf.float32


def test_parameter_count_of_the_published_network(published):
    vgg16, channels = 0, 3
    for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            vgg16 += channels * filters * 9 + filters
            channels = filters
    connected = 512 * 4096 * 49 + 4096 + 4096 * 4096 + 4096
    scores = (4096 + 1) * 21 + (512 + 1) * 21 + (256 + 1) * 21
    upsampling = 21 * 21 * (4 * 4 + 4 * 4 + 16 * 16)
    assert published.count_params() == vgg16 + connected + scores + upsampling


def test_upsampling_starts_as_bilinear_interpolation():
    ramp = np.add.outer(np.arange(8.0), 2 * np.arange(8.0))[None, :, :, None].astype(np.float32)
    for factor in (2, 8):
        layer = keras.layers.Conv2DTranspose(
            1, 2 * factor, strides=factor, padding="same", use_bias=False, kernel_initializer=Bilinear()
        )
        upsampled = layer(ramp).numpy()[0, ..., 0]
        expected = tf.image.resize(ramp, (8 * factor, 8 * factor)).numpy()[0, ..., 0]
        inner = slice(factor, -factor)
        np.testing.assert_allclose(upsampled[inner, inner], expected[inner, inner], atol=1e-4)


@pytest.mark.parametrize("factor", [2, 8])
def test_the_initial_upsampling_kernel_is_the_papers_and_does_not_mix_classes(factor):
    kernel = np.asarray(Bilinear()((2 * factor, 2 * factor, 3, 3)))
    for y, x, one, other in np.ndindex(kernel.shape):
        near = [1 - abs(position - (factor - 0.5)) / factor for position in (y, x)]
        assert kernel[y, x, one, other] == pytest.approx(near[0] * near[1] if one == other else 0)


def test_each_map_contributes_nothing_with_initial_weights_and_something_with_others():
    keras.utils.set_random_seed(0)
    model = fcn8s(classes=2, width=WIDTH)
    photo = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    assert not np.asarray(model(photo)).any()
    for name in ("score_fr", "score_pool4", "score_pool3"):
        before = np.asarray(model(photo))
        layer = model.get_layer(name)
        layer.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in layer.get_weights()])
        assert np.abs(np.asarray(model(photo)) - before).max() > 1e-3


def test_the_pretrained_part_equals_keras_applications(tmp_path):
    keras.utils.set_random_seed(1)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None)
    file = tmp_path / "vgg16_notop.weights.h5"
    vgg16.save_weights(file)
    model = fcn8s(classes=2, weights=str(file))
    photo = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    expected = vgg16(keras.applications.vgg16.preprocess_input(photo.copy()))
    ours = keras.Model(model.input, model.get_layer("block5_pool").output)(photo)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_missing_and_unfitting_weights_are_refused_with_a_way_out(tmp_path):
    with pytest.raises(InputError, match="width 1 only"):
        fcn8s(width=0.5, weights="imagenet")
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        fcn8s(weights=str(tmp_path / "none.h5"))
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(InputError, match=r"text\.h5: not the weights of VGG16"):
        fcn8s(weights=str(tmp_path / "text.h5"))


def test_a_failed_download_names_the_way_out(monkeypatch):
    def unreachable(*args: object, **kwargs: object) -> None:
        raise Exception("URL fetch failure on https://…: None -- Name or service not known")

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", unreachable)
    with pytest.raises(InputError, match=r"--weights none, or --weights FILE"):
        fcn8s(classes=2, weights="imagenet")


def test_cropping_keeps_rows_and_columns_from_the_offset():
    scores, reference = np.arange(2 * 6 * 8 * 3).reshape(2, 6, 8, 3), np.zeros((2, 5, 7, 1))
    np.testing.assert_array_equal(CropTo(0)([scores, reference]), scores[:, :5, :7])
    np.testing.assert_array_equal(CropTo(1)([scores, reference]), scores[:, 1:6, 1:8])
    again = CropTo.from_config(CropTo(1).get_config())
    np.testing.assert_array_equal(again([scores, reference]), scores[:, 1:6, 1:8])


def test_a_finer_network_with_zero_scores_equals_the_coarser_one():
    """With zero scores for pool3, FCN-8s is FCN-16s: its upsampling by 2 and by 8 equals one by 16, both bilinear."""
    keras.utils.set_random_seed(0)
    models = {stride: fcn8s(classes=2, width=WIDTH, stride=stride) for stride in (32, 16, 8)}
    rng = np.random.default_rng(0)
    models[32].get_layer("score_fr").set_weights([rng.normal(size=w.shape) for w in models[32].layers[-3].weights])
    photo = rng.integers(0, 256, (1, 128, 128, 3)).astype(np.uint8)
    names = {stride: {layer.name for layer in model.layers} for stride, model in models.items()}
    assert names[32] - {"upscore32"} < names[16]
    assert names[16] - {"upscore16"} < names[8]
    for stride in (16, 8):
        for layer in models[stride].layers:
            if layer.name in names[32]:
                layer.set_weights(models[32].get_layer(layer.name).get_weights())
    found = {stride: np.asarray(model(photo)) for stride, model in models.items()}
    assert np.abs(found[32]).max() > 0
    inner = slice(48, 80)
    for stride in (16, 8):
        difference = np.abs(found[stride] - found[32])[:, inner, inner].max()
        assert difference < 0.15 * np.abs(found[32]).max()


def test_at_once_scales_the_finer_maps_of_vgg16_down(published):
    names = {layer.name for layer in fcn8s(classes=2, at_once=True).layers}
    assert {"scale_pool4", "scale_pool3"} <= names
    for other in (published, fcn8s(classes=2, width=WIDTH, at_once=True)):
        assert not {"scale_pool4", "scale_pool3"} & {layer.name for layer in other.layers}
