"""Heavy packages are imported when they are needed."""

import subprocess
import sys

import pytest

import keras_sister

LIGHT = ("schema", "config", "run", "photo_files", "evaluation.comparison", "evaluation.summary", "storage.cache")


@pytest.mark.parametrize("module", ["keras_sister", *(f"keras_sister.{name}" for name in LIGHT)])
def test_light_modules_load_neither_tensorflow_nor_keras(module):
    program = f"import sys, {module}; assert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", keras_sister.__all__)
def test_every_public_name_is_there(name):
    assert getattr(keras_sister, name).__doc__
    assert name in dir(keras_sister)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_sister.nothing  # noqa: B018
