import json
import subprocess
import sys

PROGRAM = """
import gc, json, sys
from keras_sister.tensorflow_start import start_tensorflow
start_tensorflow()
assert gc.isenabled()
import keras_sister.training.tasks
packages = ("tensorflow", "keras", "jax", "matplotlib", "pandas", "sklearn", "scipy.stats")
found = [name for name in packages if name in sys.modules]
import pandas, sklearn.metrics, jax
print(json.dumps([found, sklearn.metrics.accuracy_score([1, 0], [1, 1]), "frame" if pandas.DataFrame else ""]))
"""


def test_workers_start_without_what_is_not_needed_which_can_be_imported_later():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["tensorflow", "keras"], 0.5, "frame"]
