"""With a seed, the same numbers come out: twice, on one thread or two, and as they came out when this was written.

That they come out after a kill too is tested in `tests.faults.test_kills`.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..pages import ROOT
from .golden_run import golden_run, numbers

GOLDEN = json.loads((Path(__file__).parent / "golden_run.json").read_text())


@pytest.fixture
def found(dataset_folder, tmp_path, tasks_here):
    """The numbers of the golden run, made in this process."""
    return numbers(golden_run(dataset_folder, tmp_path / "run"))


def test_a_golden_run_has_the_numbers_that_it_had(found):
    """A silent change of data, augmentation, model, loss or training shows here; another CPU's rounding does not.

    The numbers are those of this machine to the last bit; 0.5 % leave room for other orders of addition. If a change
    is meant, write the file anew: see `tests.faults.golden_run`.
    """
    assert found["majority"] == pytest.approx(GOLDEN["majority"], abs=1e-12)  # no floating-point training in it
    assert found["macc"] == pytest.approx(GOLDEN["macc"], abs=0.01)
    for fold, expected in zip(found["folds"], GOLDEN["folds"], strict=True):
        for name in ("loss", "val_loss"):
            assert fold[name] == pytest.approx(expected[name], rel=5e-3)
        assert fold["logits"]["std"] == pytest.approx(expected["logits"]["std"], rel=0.02)
        assert fold["logits"]["mean"] == pytest.approx(expected["logits"]["mean"], abs=0.01)


@pytest.mark.slow
def test_other_processes_with_one_thread_and_with_two_give_the_same_bits(found):
    for threads in ("1", "2"):
        variables = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
        environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "ignore", "-m", "tests.faults.golden_run"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == found


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
