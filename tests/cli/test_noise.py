"""Every command from a shell: what it says through a pipe, and that TensorFlow says nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import draw_dataset

NOISE = ("oneDNN", "cuda", "CUDA", "I0000", "WARNING: All log", "tensorflow/core", "Traceback")


def sister_keras(*arguments: object) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    command = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "dataset"
    draw_dataset(folder, photos=4)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "check", "DATASET"),
        ("segment", "preview", "DATASET/images", "--segmenter", "masks:DATASET/masks", "--out", "TMP/sheet.png"),
        ("segment", "apply", "DATASET/images", "--segmenter", "masks:DATASET/masks", "--out", "TMP/cut"),
        ("segment", "evaluate", "DATASET", "--segmenter", "masks:DATASET/masks"),
        ("cache", "list"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_no_command_shows_what_tensorflow_prints(arguments, few_photos, tmp_path):
    places = {"DATASET": str(few_photos), "TMP": str(tmp_path)}
    given = list(arguments)
    for name, place in places.items():
        given = [argument.replace(name, place) for argument in given]
    done = sister_keras(*given)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert not [word for word in NOISE if word in said], said
    heavy = arguments[0] == "segment" or arguments[:2] == ("data", "check")
    assert done.stderr.startswith("Loading TensorFlow …\n") == heavy
