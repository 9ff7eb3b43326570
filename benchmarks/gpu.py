"""Training steps on a GPU: Keras on JAX beside PyTorch (compiled, channels last), by turns; projected hours of Table 2.

    KERAS_BACKEND=jax python -m benchmarks.gpu [--rounds 3] [--anyway] [--tiny]

Needs JAX and PyTorch with CUDA, and no TensorFlow. Float32 products are TF32 in both. About ten minutes on one GPU.
"""

import os
import shutil
import subprocess

import click

from benchmarks.beside_pytorch import SECONDS, heading, measured
from benchmarks.other_load import refuse_if_busy
from benchmarks.step_process import PHOTOS, Row
from keras_sister.config import Experiment
from keras_sister.data.folds import INNER_FOLDS

_JAX = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # leaves memory for PyTorch


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns of each.")
@click.option("--anyway", is_flag=True, help="Also while other processes are busy, to try the program.")
@click.option("--tiny", is_flag=True, help="Small networks and images, without torch.compile: tries the program.")
def main(rounds: int, anyway: bool, tiny: bool) -> None:
    refuse_if_busy(anyway=anyway)
    print(f"{_gpu()}: {heading('jax', 'torch')}")
    print(
        "| photos per second | Keras (JAX) | PyTorch | ratio | lowest to highest | GiB of GPU memory, Keras / PyTorch |"
    )
    print("|---|---|---|---|---|---|")
    hours = {}
    for row in rows(tiny=tiny):
        (line,) = measured([row], rounds, _JAX, {}, memory=True, seconds=0 if tiny else SECONDS)  # a process each
        print(line, flush=True)
        if row.system != "heads":
            hours[row.title] = projected_hours(float(line.split("|")[2]))
    print("\n| 16 folds of Table 2, projected | hours with Keras |\n|---|---|")
    for title, value in hours.items():
        print(f"| {title} | {value:.2f} |")


def rows(*, tiny: bool) -> list[Row]:
    """Cells of Table 2 with their batch sizes, in both precisions; or, to try the program, a small row of each kind."""
    if tiny:
        mini = {"network": "resnet_mini", "size": 32, "compiled": False}
        return [
            Row(system="sister_a", batch=2, precision="bfloat16", **mini),
            Row(system="heads", batch=4, folds=2, **mini),
        ]
    wanted = [("baseline", "resnet50", 64), ("sister_a", "resnet50", 32), ("sister_a", "resnet152", 16)]
    heads = Row(system="heads", network="resnet50", batch=32, folds=Experiment().folds, compiled=True)
    return [heads] + [
        Row(system=system, network=network, batch=batch, size=224, precision=precision, compiled=True)
        for precision in ("float32", "bfloat16")
        for system, network, batch in wanted
    ]


def projected_hours(photos_per_second: float) -> float:
    """Hours of the training steps of a cross-validation of DCSA by the defaults: folds, epochs, inner split.

    Without validation, compilation and the start of each fold.
    """
    settings = Experiment()
    training = PHOTOS * (1 - 1 / settings.folds) * (1 - 1 / INNER_FOLDS)
    return settings.folds * settings.epochs * training / photos_per_second / 3600


def _gpu() -> str:
    program = shutil.which("nvidia-smi")
    if not program:
        return "no GPU"
    query = [program, "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True).stdout.split("\n")[0] or "no GPU"  # noqa: S603


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    main()
