import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from keras_sister.tensorflow_start import turn_on_onednn

PROGRAM = """
import gc, json, sys
from keras_sister.tensorflow_start import start_tensorflow
start_tensorflow()
assert gc.isenabled()
import keras_sister.training.tasks
packages = ("tensorflow", "keras", "jax", "matplotlib", "pandas", "sklearn", "scipy")
found = [name for name in packages if name in sys.modules]
import pandas, sklearn.metrics, jax
print(json.dumps([found, sklearn.metrics.accuracy_score([1, 0], [1, 1]), "frame" if pandas.DataFrame else ""]))
"""


def test_workers_start_without_what_is_not_needed_which_can_be_imported_later():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["tensorflow", "keras"], 0.5, "frame"]


@pytest.mark.parametrize(
    ("installed", "given", "expected"),
    [("2.21.0", None, "1"), ("2.21.1", "0", "0"), ("2.22.0rc0", None, None), ("2.22.0", "1", "1"), (None, None, None)],
)
def test_onednn_is_turned_on_where_it_is_fast_and_nobody_said_otherwise(monkeypatch, installed, given, expected):
    def version(package):
        if installed is None:
            raise PackageNotFoundError(package)
        return installed

    monkeypatch.setattr("keras_sister.tensorflow_start.version", version)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if not given:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    turn_on_onednn()
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected
