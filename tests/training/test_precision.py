"""What ``precision: auto`` is, on machines that are described here, since a test has only one."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from cli.main import main
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.run import Run
from keras_sister.schema import DCSA
from keras_sister.training import precision
from keras_sister.training.precision import current_precision, policy_of, resolve_precision, set_precision
from keras_sister.training.start import start_run

FLAGS = {
    "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16 amx_bf16 amx_tile\n": "amx_bf16",
    "flags : fpu avx512f avx512_bf16\n": "avx512_bf16",
    "flags : fpu avx2 fma\n": None,
    "Features : fp asimd bf16\n": None,  # ARM, where TensorFlow has no such rewrite
    "": None,
}
FROZEN = Experiment(system="baseline", trainable="head", precision="auto")


@pytest.fixture
def machine(monkeypatch):
    """Sets what this machine can do: the flag of its CPU, the compute capabilities of its GPUs."""

    def describe(cpu: str | None = None, gpus: tuple[tuple[int, int], ...] = ()) -> None:
        monkeypatch.setattr(precision, "cpu_instructions", lambda: cpu)
        monkeypatch.setattr(precision, "_gpu_capabilities", lambda: list(gpus))

    return describe


@pytest.mark.parametrize("text", FLAGS)
def test_the_flags_of_the_cpu(tmp_path, monkeypatch, text):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert precision.cpu_instructions(cpuinfo) == FLAGS[text]
    assert precision.cpu_instructions(tmp_path / "none") is None
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")  # TensorFlow would leave the graph as it is
    assert precision.cpu_instructions(cpuinfo) is None


@pytest.mark.parametrize(
    ("cpu", "gpus", "expected"),
    [
        (None, (), "float32"),
        ("amx_bf16", (), "onednn_bfloat16"),
        ("amx_bf16", ((9, 0),), "mixed_bfloat16"),
        ("amx_bf16", ((9, 0), (7, 5)), "float32"),
        (None, ((8, 0),), "mixed_bfloat16"),
    ],
)
def test_what_auto_is(machine, cpu, gpus, expected):
    machine(cpu, gpus)
    found, reason = resolve_precision(FROZEN)
    assert found == replace(FROZEN, precision=expected)
    assert reason
    trained = Experiment(system="baseline", weights="none", batch_norm="train", precision="auto")
    assert resolve_precision(trained)[0].precision == "float32"
    assert resolve_precision(replace(FROZEN, precision="float32"))[0].precision == "float32"


@pytest.mark.parametrize(("gpus", "expected"), [((), "float32"), (((9, 0),), "mixed_bfloat16"), (((7, 5),), "float32")])
def test_what_auto_is_on_jax(machine, monkeypatch, gpus, expected):
    """There is no rewrite of float32 products there, whatever the CPU has."""
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    machine("amx_bf16", gpus)
    assert resolve_precision(FROZEN)[0].precision == expected
    with pytest.raises(InputError, match="onednn_bfloat16 is one of TensorFlow"):
        resolve_precision(replace(FROZEN, precision="onednn_bfloat16"))


def test_a_run_records_what_auto_was_and_is_resumed_only_there(machine, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    dataset = Dataset(DCSA, (photo,), np.zeros((1, len(DCSA)), np.int8))
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    machine("avx512_bf16")
    start_run(run, dataset, FROZEN, resume=False)
    assert run.experiment.precision == "onednn_bfloat16"
    (run.folder / "fold-00").mkdir()
    (run.folder / "fold-00" / "checkpoint.npz").touch()  # training has begun
    start_run(run, dataset, FROZEN, resume=True)
    start_run(run, dataset, run.experiment, resume=True)
    machine(None)
    with pytest.raises(InputError, match="precision: float32, not onednn_bfloat16"):
        start_run(run, dataset, FROZEN, resume=True)
    with pytest.raises(InputError, match="needs a CPU that multiplies bfloat16"):
        start_run(run, dataset, run.experiment, resume=True)


def test_onednn_bfloat16_is_a_rewrite_of_a_float32_model():
    policy, options = keras.config.dtype_policy(), tf.config.optimizer.get_experimental_options()
    try:
        set_precision("onednn_bfloat16")
        assert keras.config.dtype_policy().name == "float32" == policy_of("onednn_bfloat16")
        assert tf.config.optimizer.get_experimental_options()["auto_mixed_precision_onednn_bfloat16"]
        assert current_precision() == "onednn_bfloat16"
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": False})
        set_precision("mixed_bfloat16")
        assert keras.config.dtype_policy().name == "mixed_bfloat16" == current_precision()
    finally:
        keras.config.set_dtype_policy(policy)
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": False, **options})


def test_the_command_says_what_auto_is(machine, tmp_path: Path):
    machine("amx_bf16")
    command = ["cv", str(tmp_path), "--system", "baseline", "--trainable", "head", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, [*command, "--precision", "auto"])  # there are no photos
    assert done.exit_code == 1
    assert "Precision: onednn_bfloat16 (CPU with AMX_BF16).\n" in done.stderr
    assert "Precision" not in CliRunner().invoke(main, command).stderr
