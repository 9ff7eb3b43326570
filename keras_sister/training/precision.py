"""The precision of a training: what ``auto`` is on this machine, and how Keras and its backend are told."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.keras_backend import chosen_backend

_CPU_FLAGS = ("amx_bf16", "avx512_bf16")
"""What Linux calls the instructions of a CPU that multiply bfloat16."""

_GPU_CAPABILITY = (8, 0)
"""The first compute capability of NVIDIA whose tensor cores multiply bfloat16."""

_LIST_GPUS = {
    "tensorflow": """
import json, tensorflow as tf
details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
print(json.dumps([detail.get("compute_capability") for detail in details]))
""",
    "jax": """
import json, jax
gpus = [device for device in jax.local_devices() if device.platform == "gpu"]
print(json.dumps([[int(part) for part in gpu.compute_capability.split(".")] for gpu in gpus]))
""",
}


def resolve_precision(experiment: Experiment) -> tuple[Experiment, str]:
    """Replace ``precision: auto`` by the precision that this machine trains in.

    bfloat16 where the machine multiplies it and batch normalization is frozen: trained statistics of bfloat16 maps are
    less exact. Otherwise float32.

    Args:
        experiment: any settings.

    Returns:
        The experiment with ``mixed_bfloat16`` (GPU), ``onednn_bfloat16`` (CPU) or ``float32``, and the reason in words.

    Raises:
        InputError: if the experiment says ``onednn_bfloat16`` itself and the backend or the CPU cannot.
    """
    backend = chosen_backend()
    if experiment.precision == "onednn_bfloat16" and backend != "tensorflow":
        raise InputError(
            f"precision: onednn_bfloat16 is one of TensorFlow; with KERAS_BACKEND={backend} use float32 or"
            " mixed_bfloat16."
        )
    if experiment.precision == "onednn_bfloat16" and not cpu_instructions():
        raise InputError(
            "precision: onednn_bfloat16 needs a CPU that multiplies bfloat16 (AVX512_BF16 or AMX_BF16), which this one"
            " does not; use float32, with another --out."
        )
    if experiment.precision != "auto":
        return experiment, "as set"
    if experiment.batch_norm != "frozen":
        precision, reason = "float32", "batch normalization is trained"
    elif capabilities := _gpu_capabilities():
        lowest = min(capabilities)
        precision = "mixed_bfloat16" if lowest >= _GPU_CAPABILITY else "float32"
        reason = f"GPU of compute capability {lowest[0]}.{lowest[1]}"
    elif backend != "tensorflow":
        precision, reason = "float32", f"{backend} on a CPU"
    elif instructions := cpu_instructions():
        precision, reason = "onednn_bfloat16", f"CPU with {instructions.upper()}"
    else:
        precision, reason = "float32", "no CPU or GPU here multiplies bfloat16"
    return replace(experiment, precision=precision), reason


def set_precision(precision: str) -> None:
    """Let Keras and TensorFlow compute in a precision, in this process.

    Args:
        precision: one of `keras_sister.config.PRECISIONS` but ``auto``.
    """
    import keras

    keras.config.set_dtype_policy(policy_of(precision))
    if precision == "onednn_bfloat16":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})


def current_precision() -> str:
    """The precision that `set_precision` was last told in this process."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return keras.config.dtype_policy().name
    import tensorflow as tf

    rewrites = tf.config.optimizer.get_experimental_options().get("auto_mixed_precision_onednn_bfloat16")
    return "onednn_bfloat16" if rewrites else keras.config.dtype_policy().name


def policy_of(precision: str) -> str:
    """The Keras dtype policy of a precision: with ``onednn_bfloat16`` the model is one of float32."""
    return "float32" if precision == "onednn_bfloat16" else precision


def cpu_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """The flag of the instructions by which TensorFlow would multiply bfloat16 on the CPU, or None."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return None
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # not Linux
        return None
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((flag for flag in _CPU_FLAGS if flag in flags), None)


def _gpu_capabilities() -> list[tuple[int, int]]:
    """The compute capability of each GPU that the backend has; only where there is one, the backend is asked."""
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/dxg").exists():
        return []
    backend = chosen_backend()
    done = subprocess.run([sys.executable, "-c", _LIST_GPUS[backend]], capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise InputError(f"precision: auto: {backend} does not start; set --precision float32 or mixed_bfloat16.")
    return [tuple(capability or (0, 0)) for capability in json.loads(done.stdout.splitlines()[-1])]
