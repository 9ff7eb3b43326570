"""The benchmarks that need a machine of their own are tried small; their figures here mean nothing."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.gpu import projected_hours
from benchmarks.other_load import OtherLoad, refuse_if_busy

from .harness import QUICK_XLA
from .pages import ROOT

ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # PyTorch's threads wait for each other by spinning, also beside other tests


@pytest.mark.slow
def test_the_gpu_benchmark_runs_without_tensorflow(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('there is none', name='tensorflow')\n")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--tiny", "--anyway", "--rounds", "1"],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "KERAS_BACKEND": "jax",
            **ONE_THREAD,
            **QUICK_XLA,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if ", resnet_mini" in line]
    assert [len(row) for row in rows] == [6, 6, 2]  # speed of a system and of stacked heads; projected hours
    assert all(float(row[1].strip(" |")) > 0 for row in rows)


def test_projected_hours_are_those_of_the_papers_folds():
    """16 folds × 20 epochs × 15/16 × 7/8 of 1,856 photos, at 100 photos a second."""
    assert projected_hours(100) == pytest.approx(16 * 20 * 1856 * 15 / 16 * 7 / 8 / 100 / 3600)


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="Linux")  # noqa: PTH110 - read before the tests
def test_a_busy_process_is_noticed():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with pytest.raises(SystemExit, match="cores busy"):
            refuse_if_busy(anyway=False, seconds=0.5)
        ours, others = OtherLoad([busy.pid]), OtherLoad()
        time.sleep(1)
        assert (others.cores() or 0) > (ours.cores() or 0)
    finally:
        busy.kill()
        busy.wait()
