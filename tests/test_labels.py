"""On JAX and PyTorch they are checked by `tests.test_other_backends`."""

import subprocess
import sys

import pytest

from .pages import ROOT


@pytest.mark.slow
def test_labels_mean_the_same_in_a_process_of_its_own():
    done = subprocess.run([sys.executable, "-m", "tests.label_rules"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
