"""Models, layers, labels and heat maps on JAX and PyTorch, where TensorFlow cannot be imported."""

import json
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from keras_sister.config import SYSTEMS
from keras_sister.explanation.heat_maps import METHODS, heat_map

from .explanation.red import red_model, views
from .harness import QUICK_XLA, to_numpy
from .models.systems import VIEWS, model_of, views_of
from .pages import ROOT


@pytest.fixture(scope="module", params=["jax", "torch"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tests.other_backends` found."""
    if not find_spec(request.param):
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    np.savez(folder / "views.npz", **VIEWS)
    for system in SYSTEMS:
        model_of(system).save_weights(folder / f"{system}.weights.h5")
    command = [sys.executable, "-m", "tests.other_backends", str(folder)]
    environment = {**os.environ, "KERAS_BACKEND": request.param, **QUICK_XLA}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert outcomes(folder)["backend"] == request.param
    return folder


def outcomes(folder: Path) -> dict[str, str]:
    return json.loads((folder / "outcomes.json").read_text())


def test_other_backends_give_the_same_logits_without_tensorflow(folder):
    assert outcomes(folder)["logits"] == ""
    for system in SYSTEMS:
        expected = to_numpy(model_of(system)(views_of(system), training=False))
        np.testing.assert_allclose(np.load(folder / f"{system}.npy"), expected, rtol=1e-3, atol=1e-3)


def test_other_backends_give_the_same_maps_without_tensorflow(folder):
    assert outcomes(folder)["heat_maps"] == ""
    for method, found in zip(METHODS, json.loads((folder / "heat.json").read_text()).values(), strict=True):
        assert found == pytest.approx(heat_on_tensorflow(method), rel=1e-3)


@cache
def heat_on_tensorflow(method: str) -> float:
    """The sum of the map."""
    heat = heat_map(red_model(), views((250, 0, 0)), attribute="red", class_name="yes", method=method)
    return float(heat["photo"].sum())


def test_labels_mean_the_same_on_every_backend(folder):
    assert outcomes(folder)["labels"] == ""


def test_every_layer_passes_the_test_of_keras_on_other_backends_too(folder):
    assert outcomes(folder)["layers"] == ""
