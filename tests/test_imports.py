"""What a user waits for is loaded when it is needed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["keras_sister", *(f"keras_sister.{room}" for room in ("schema", "config", "scores"))]
)
def test_light_modules_load_neither_tensorflow_nor_keras(module):
    program = f"import sys, {module}; assert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
