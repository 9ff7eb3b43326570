"""Every kind of segmenter goes into an export, which then needs nothing but TensorFlow (the proof sees to that)."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from keras_sister.export.export_model import TOLERANCES
from keras_sister.export.export_run import export_run
from keras_sister.segmentation.importers.matconvnet import import_fcn8s
from keras_sister.segmentation.networks.deeplab import deeplab
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, save_segmenter, voc_segmenter

from ..exports import scatter, trained_run
from ..segmentation.importers import test_matconvnet as matconvnet


@pytest.fixture
def network(tmp_path) -> Path:
    """A SavedModel that takes what is red for the person."""
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    images = tf.TensorSpec((None, None, None, 3), tf.float32, "images")
    red = tf.function(lambda images: {"person": images[..., :1] * module.weight}).get_concrete_function(images)
    tf.saved_model.save(module, str(tmp_path / "network"), signatures=red)
    return tmp_path / "network"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """The layout of the published FCN-8s, with fewer filters, from a file as MatConvNet's."""
    folder = tmp_path_factory.mktemp("published")
    file = matconvnet.write(folder / "net.mat", matconvnet.parameters())
    save_segmenter(folder / "fcn8s-voc", voc_segmenter(import_fcn8s(file), size=64), None)
    return folder / "fcn8s-voc"


@pytest.fixture(scope="module")
def trained_deeplab(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("deeplab")
    model = deeplab(classes=2, size=64, backbone="resnet_mini", weights="none")
    scatter(model, seed=0)
    save_segmenter(folder, NetworkSegmenter(model, size=64), None)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("segmenter", "settings"),
    [
        ("selfie:{selfie}", {"system": "masked"}),
        ("saved_model:{network}", {"system": "segmented", "background": "mean", "edges": "soft"}),
        ("{published}", {"system": "segmented"}),
        ("{deeplab}", {"system": "sister_a", "background": "blur", "keep_largest": True, "margin": 2}),
    ],
    ids=["selfie, masked", "SavedModel", "published FCN-8s", "DeepLab, mended"],
)
def test_an_export_answers_as_the_model_does(
    segmenter, settings, selfie_weights, network, published, trained_deeplab, photos, tmp_path
):
    spec = segmenter.format(selfie=selfie_weights, network=network, published=published, deeplab=trained_deeplab)
    run = trained_run(tmp_path / "run", photos, segmenter=spec, **settings)
    export = export_run(run, tmp_path / "saved_models")
    assert export.difference <= TOLERANCES["float32"]
    about = json.loads((export.folder / "assets.extra" / "export.json").read_text())
    fingerprint = f"{about['segmenter']} person>={about['min_person_share']:g}"
    assert fingerprint == run.read("views.json")["fingerprint"]
    signatures = tf.saved_model.load(str(export.folder)).signatures
    answers = signatures["serving_default"](image_bytes=tf.stack([tf.io.read_file(str(photo)) for photo in photos]))
    assert answers["decoded"].numpy().all()
    assert (answers["person_share"].numpy() >= 0).all()
    assert (answers["person_share"].numpy() <= 1).all()
