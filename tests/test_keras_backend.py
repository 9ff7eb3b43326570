"""Which backend trains, as Keras itself finds it, and which process computes on it."""

import json
import os
import subprocess
import sys

import pytest

from cli.quiet import import_tensorflow
from keras_sister.errors import InputError
from keras_sister.keras_backend import chosen_backend
from keras_sister.tensorflow_start import keras_setting


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The settings file of a Keras that nothing else is told."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return tmp_path / "keras.json"


@pytest.mark.parametrize(
    ("text", "variable", "expected"),
    [
        (None, None, "tensorflow"),
        ('{"backend": "jax"}', None, "jax"),
        ('{"backend": "jax"}', "tensorflow", "tensorflow"),
        ('{"backend": "jax"}', "", "jax"),
        ('{"floatx": "float32"}', None, "tensorflow"),
        ("{damaged", None, "tensorflow"),
        (None, "torch", "torch"),
    ],
)
def test_the_setting_is_found_where_keras_finds_it(settings, monkeypatch, text, variable, expected):
    if text is not None:
        settings.write_text(text)
    if variable is not None:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    assert keras_setting() == expected


def test_without_a_home_folder_there_is_no_settings_file(settings, monkeypatch):
    """As of a user whom the system does not know, in a container without HOME."""
    monkeypatch.setenv("KERAS_HOME", "~no-such-user")
    assert keras_setting() == "tensorflow"


@pytest.mark.parametrize("backend", ["torch", "openvino", "jaxx"])
def test_a_backend_that_cannot_train_is_refused(settings, backend):
    settings.write_text(json.dumps({"backend": backend}))
    with pytest.raises(InputError, match=f"KERAS_BACKEND={backend}: training runs on tensorflow or jax"):
        chosen_backend()


def test_a_missing_jax_is_named_with_its_extra(settings, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("keras_sister.extras.find_spec", lambda package: None)
    with pytest.raises(InputError, match=r"KERAS_BACKEND=jax needs JAX\. Install it: pip install .*\[jax\]"):
        chosen_backend()


def test_commands_compute_on_tensorflow_in_their_own_process(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    import_tensorflow()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_no_module_finds_tensorflow_in_a_process_of_jax():
    pytest.importorskip("jax")
    program = """
from keras_sister.keras_backend import start_keras
start_keras("jax")
import keras
keras.utils.set_random_seed(1)  # which imports TensorFlow where it can
try:
    import tensorflow
except ImportError as error:
    print(keras.backend.backend(), error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "jax No module named 'tensorflow': this process computes on JAX\n"
