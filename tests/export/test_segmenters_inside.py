"""Every kind of segmenter goes into an export, which then needs nothing but TensorFlow (the proof sees to that)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_sister.export import keras_free_process
from keras_sister.export.export_model import TOLERANCES
from keras_sister.export.export_run import export_run
from keras_sister.segmentation.importers.matconvnet import import_fcn8s
from keras_sister.segmentation.networks.deeplab import deeplab
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, save_segmenter, voc_segmenter

from ..exports import scatter, trained_run
from ..segmentation.importers import test_matconvnet as matconvnet

VERIFIER = """
import functools, gc, json, pathlib, runpy, sys
gc.disable()
for package in ("keras", "tf_keras", "keras_sister", "jax"):
    sys.modules[package] = None
import numpy as np, tensorflow as tf
tf.saved_model.load = functools.lru_cache(maxsize=1)(tf.saved_model.load)
run = runpy.run_path(sys.argv[1])["run"]
for line in sys.stdin:
    folder, views, outputs, *photos = json.loads(line)
    run(folder, views, outputs, *photos)
    contents = tf.constant([pathlib.Path(photo).read_bytes() for photo in photos])
    answers = tf.saved_model.load(folder).signatures["serving_default"](image_bytes=contents)
    np.savez(outputs + ".batch.npz", **{name: answers[name].numpy() for name in ("decoded", "person_share")})
    print("done", flush=True)
"""
"""`keras_free_process`, for one export after another; it also tags all photos at once."""


class Verifier:
    """Verifies exports in one process without Keras: to start one for each takes as long as most verifications."""

    def __init__(self, scratch: Path) -> None:
        command = [sys.executable, "-P", "-c", VERIFIER, keras_free_process.__file__]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.scratch = scratch
        self.of_all_photos: dict[str, np.ndarray] = {}

    def verify(self, folder: Path, views: dict[str, np.ndarray], photos: list[Path]) -> dict[str, np.ndarray]:
        """In place of `keras_sister.export.verify._run_without_keras`."""
        inputs, outputs = self.scratch / "views.npz", self.scratch / "outputs.npz"
        np.savez(inputs, **views)
        print(json.dumps(list(map(str, (folder, inputs, outputs, *photos)))), file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"
        with np.load(f"{outputs}.batch.npz") as answers:
            self.of_all_photos = dict(answers)
        with np.load(outputs) as found:
            return dict(found)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory) -> Iterator[Verifier]:
    verifier = Verifier(tmp_path_factory.mktemp("scratch"))
    with verifier.process as process, pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_sister.export.verify._run_without_keras", verifier.verify)
        yield verifier
        process.stdin.close()  # which ends it


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
    segmenter, settings, selfie_weights, network, published, trained_deeplab, verifier, photos, tmp_path
):
    spec = segmenter.format(selfie=selfie_weights, network=network, published=published, deeplab=trained_deeplab)
    run = trained_run(tmp_path / "run", photos, segmenter=spec, **settings)
    export = export_run(run, tmp_path / "saved_models", photos=photos)
    assert export.difference <= TOLERANCES["float32"]
    about = json.loads((export.folder / "assets.extra" / "export.json").read_text())
    fingerprint = f"{about['segmenter']} person>={about['min_person_share']:g}"
    assert fingerprint == run.read("views.json")["fingerprint"]
    answers = verifier.of_all_photos
    assert answers["decoded"].tolist() == [True] * len(photos)
    assert (answers["person_share"] >= 0).all()
    assert (answers["person_share"] <= 1).all()
