import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_labels_mean_the_same_on_every_backend(backend):
    if backend == "torch":
        pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, "-m", "tests.label_rules"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
