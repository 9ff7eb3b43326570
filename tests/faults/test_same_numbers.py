"""With a seed, the same numbers come out: twice, in another process, and as they came out when this was written.

That they come out after a kill too is tested in `tests.faults.test_kills`.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import perform_tasks_here
from ..pages import ROOT
from .golden_run import golden_run, numbers

GOLDEN = json.loads((Path(__file__).parent / "golden_run.json").read_text())


@pytest.fixture(scope="module")
def found(dataset_folder, tmp_path_factory):
    """The numbers of the golden run, made in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        perform_tasks_here(patch)
        return numbers(golden_run(dataset_folder, tmp_path_factory.mktemp("runs") / "run"))


def check_same(found: dict, expected: dict) -> None:
    assert found["majority"] == pytest.approx(expected["majority"], abs=1e-12)  # no training in it
    assert found["macc"] == pytest.approx(expected["macc"], abs=0.02)
    for fold, other in zip(found["folds"], expected["folds"], strict=True):
        for name in ("loss", "val_loss"):
            assert fold[name] == pytest.approx(other[name], rel=5e-3)
        assert fold["logits"]["std"] == pytest.approx(other["logits"]["std"], rel=0.02)
        assert fold["logits"]["mean"] == pytest.approx(other["logits"]["mean"], abs=0.005)


def test_a_golden_run_has_the_numbers_that_it_had(found):
    """A silent change of data, augmentation, model, loss or training shows here; another CPU's rounding does not.

    One thread instead of two changes the losses by 2e-7 of their value, oneDNN instead of TensorFlow's own kernels in
    the third epoch by 2e-3; the limits leave room for other processors. If a change is meant, write the file anew: see
    `tests.faults.golden_run`.
    """
    check_same(found, GOLDEN)


def in_another_process(*options: str, **variables: str) -> list[dict]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults.golden_run", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_another_process_gives_the_same_bits(found):
    """That a process for each fold does is tested in `tests.training.test_cross_validation`, where they are killed."""
    assert in_another_process() == [found]


@pytest.mark.slow
def test_one_thread_gives_the_same_bits_twice_and_the_numbers_of_more():
    """TensorFlow divides a sum among its threads, so that another number of them rounds the last bits otherwise."""
    one = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    first, second = in_another_process("--twice", **one)
    assert first == second
    check_same(first, GOLDEN)


@pytest.mark.slow
def test_exports_of_one_model_are_equal_byte_by_byte(sister, tmp_path):
    """From two processes. But for ``fingerprint.pb``, in which TensorFlow notes a random identifier of the file."""

    def export(name: str) -> dict[str, str]:
        command = [sys.executable, "-m", "cli", "export", str(sister.folder), "--out", str(tmp_path / name / "model")]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        files = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file() and file.name[0] != ".")
        return {str(f.relative_to(tmp_path / name)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    first, second = export("first"), export("second")
    assert "model/1/saved_model.pb" in first
    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == {
        "model/1/fingerprint.pb"
    }
