"""Initial weights are there before the first photo is decoded, or it is said why not."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v2  # where the address can be changed
from keras.src.backend import config as keras_config

from keras_sister.backbones import applications, has_weights
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.run import Run
from keras_sister.training import tasks
from keras_sister.training.fetch import fetch_network
from keras_sister.training.start import start_run

from ..run_folder import SCHEMA

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(keras_config, "_KERAS_DIR", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras" / "models"


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder in place of Keras's server."""
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", (tmp_path / "site").as_uri() + "/")
    return tmp_path / "site"


@pytest.mark.filterwarnings("ignore:.*input_shape")  # of MobileNet, for which the size of the weights is no other
def test_weights_of_keras_are_downloaded_once_and_the_progress_is_told(cache, site, capsys, monkeypatch):
    published = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(224, 224, 3))
    published.save(site / FILE)
    contents = (site / FILE).read_bytes()
    size = len(contents) // 1_000_000
    told: list[dict] = []
    fetch_network("mobilenetv2", "imagenet", told.append)
    assert told[0] == {"event": "fetching", "network": "mobilenetv2"}
    assert told[-1] == {"event": "counted", "what": "megabytes", "done": size, "of": size}
    assert len(told) > 2
    assert capsys.readouterr().out == ""  # where a worker's events go
    assert (cache / FILE).read_bytes() == contents  # where Keras looks for it when the towers are built

    told.clear()
    (site / FILE).unlink()
    monkeypatch.setattr(applications, "last_feature_map", None)  # nor is the network built
    fetch_network("mobilenetv2", "imagenet", told.append)
    assert told == []


@pytest.mark.filterwarnings("ignore:.*input_shape")
def test_a_download_that_fails_ends_a_run_before_the_first_photo(cache, site, tmp_path, monkeypatch):
    monkeypatch.setattr(ViewStore, "fill", None)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    experiment = Experiment(system="baseline", backbone="mobilenetv2", size=32)
    start_run(run, Dataset(SCHEMA, (tmp_path / "1.jpg",), np.zeros((1, 2), int)), experiment, resume=False)
    told: list[dict] = []
    with pytest.raises(InputError, match=r"The ImageNet weights of mobilenetv2 cannot be downloaded: URL fetch failure"
                       r" on file.*\n.*--weights FILE.*--weights none"):  # fmt: skip
        tasks.perform(run, "views", told.append)
    assert told == [{"event": "fetching", "network": "mobilenetv2"}]
    assert not list(cache.iterdir())


def test_what_is_on_the_machine_is_not_downloaded(cache, tmp_path):
    here = [
        ("resnet50", "none"),
        ("resnet50", "weights.h5"),
        ("resnet50", {"resnet50": "weights.h5"}),
        ("mine.keras", "imagenet"),
        (f"keras_hub:{tmp_path}", "imagenet"),
        ("resnet_mini", "imagenet"),  # which has none
    ]
    assert all(has_weights(*one) for one in here)
    assert not has_weights("keras_hub:dinov2_small", "none")
    files = {
        "resnet50v2": "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "resnet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "efficientnetv2-b0": "efficientnetv2-b0_notop.h5",
        "convnext_tiny": "convnext_tiny_notop.h5",
        "inceptionv3": "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    }
    for network, name in files.items():
        assert not has_weights(network, "imagenet")
        (cache / name.replace("_notop", "")).touch()  # with its top, which is no use
        assert not has_weights(network, "imagenet")
        (cache / name).touch()
        assert has_weights(network, "imagenet")
