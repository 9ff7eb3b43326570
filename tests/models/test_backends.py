import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_sister.config import SYSTEMS

from ..harness import to_numpy
from .systems import VIEWS, model_of, views_of

PROGRAM = """
import sys
sys.modules["tensorflow"] = None  # from here on importing it fails
import keras, numpy as np
from pathlib import Path
from keras_sister import models
from keras_sister.schema import DCSA

folder = Path(sys.argv[1])
mini = {"backbone": "resnet_mini", "person_backbone": "resnet_mini", "weights": "none", "size": 40}
views = dict(np.load(folder / "views.npz"))
assert keras.backend.backend() == sys.argv[2]
for system in models.SYSTEMS:
    model = models.build(system, DCSA, **mini)
    model.load_weights(folder / f"{system}.weights.h5")
    logits = model({tensor.name: views[tensor.name] for tensor in model.inputs}, training=False)
    np.save(folder / f"{system}.npy", keras.ops.convert_to_numpy(logits))
"""


@pytest.fixture(scope="module")
def weights_of_all_systems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    np.savez(folder / "views.npz", **VIEWS)
    for system in SYSTEMS:
        model_of(system).save_weights(folder / f"{system}.weights.h5")
    return folder


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_logits_without_tensorflow(backend, weights_of_all_systems):
    command = [sys.executable, "-c", PROGRAM, str(weights_of_all_systems), backend]
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for system in SYSTEMS:
        expected = to_numpy(model_of(system)(views_of(system), training=False))
        np.testing.assert_allclose(np.load(weights_of_all_systems / f"{system}.npy"), expected, rtol=1e-3, atol=1e-3)
