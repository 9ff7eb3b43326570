"""Training steps of this project beside PyTorch, by turns, on a CPU: ratios of photos per second.

    python -m benchmarks.beside_pytorch [--rounds 3] [--anyway]

Takes about six minutes on two cores. Both have all cores; PyTorch has channels-last images and its fused Adam.
"""

import dataclasses
import datetime
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.other_load import OtherLoad, refuse_if_busy
from benchmarks.step_process import Row, StepProcess

SECONDS = 4.0
"""Of one turn."""

# As `keras_sister.training.worker`, and quiet.
_KERAS = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns of each.")
@click.option("--anyway", is_flag=True, help="Also while other processes are busy, to try the program.")
@click.option("--network", default="resnet50", show_default=True)
@click.option("--size", default=224, show_default=True)
def main(rounds: int, anyway: bool, network: str, size: int) -> None:
    refuse_if_busy(anyway=anyway)
    print(heading("tensorflow", "torch"))
    print("| photos per second | Keras (TensorFlow) | PyTorch | ratio | lowest to highest | others' cores |")
    print("|---|---|---|---|---|---|", flush=True)
    rows = [dataclasses.replace(row, network=network, size=size) for row in rows_of_this_cpu()]
    for precision in ("float32", "bfloat16"):  # TensorFlow's rewrite of graphs is a setting of the process
        some = [row for row in rows if row.precision == precision]
        if some:
            for line in measured(some, rounds, _KERAS, {}):
                print(line, flush=True)
    if not any(row.precision == "bfloat16" for row in rows):
        print("\nThis CPU does not multiply bfloat16: those rows are left out.")
    print(f"\n{fit_beside_step(rounds, network, size)}")


def heading(*packages: str) -> str:
    """Date, machine and versions."""
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    versions = ", ".join(f"{package} {version(package)}" for package in ("keras", *packages))
    return f"{datetime.date.today()}, {cpu}, {os.cpu_count()} cores, {versions}\n"


def rows_of_this_cpu() -> list[Row]:
    """bfloat16 only where the CPU has instructions for it."""
    from keras_sister.training.precision import cpu_instructions

    rows = [Row(), Row(batch_norm="frozen"), Row(system="sister_a"), Row(forward=True)]
    if cpu_instructions():
        rows += [Row(precision="bfloat16"), Row(precision="bfloat16", batch_norm="frozen")]
    return rows


def measured(
    rows: list[Row],
    rounds: int,
    keras: dict[str, str],
    torch: dict[str, str],
    *,
    memory: bool = False,
    seconds: float = SECONDS,
) -> Iterator[str]:
    """A line of a table for each row: photos per second of both, the median of the ratios, their range.

    Args:
        rows: what to measure.
        rounds: turns of each framework.
        keras, torch: environment of either process.
        memory: end the line with the highest GPU memory of both, in GiB, in place of the load of others.
        seconds: of one turn, at least two steps.
    """
    processes = [StepProcess("keras", keras), StepProcess("torch", torch)]
    try:
        for row in rows:
            load = OtherLoad(process.process.pid for process in processes)
            rates, peaks = _by_turns(row, processes, rounds, seconds)
            ratios = sorted(ours / theirs for ours, theirs in zip(*rates, strict=True))
            cores = load.cores()
            last = " / ".join("?" if p is None else f"{p / 2**30:.1f}" for p in peaks) if memory else _cores(cores)
            yield (
                f"| {row.title} | {median(rates[0]):.2f} | {median(rates[1]):.2f} | {median(ratios):.2f} |"
                f" {ratios[0]:.2f} to {ratios[-1]:.2f} | {last} |"
            )
    finally:
        for process in processes:
            process.close()


def _by_turns(
    row: Row, processes: list[StepProcess], rounds: int, seconds: float
) -> tuple[list[list[float]], list[int | None]]:
    """Photos per second of each process in each round, and its peak memory."""
    counts = []
    for process in processes:
        process.send(build=dataclasses.asdict(row))
    for process in processes:
        process.answer()  # both compile at the same time
    for process in processes:
        counts.append(max(2, round(seconds / process.ask(steps=1)["seconds"])))
    rates: list[list[float]] = [[], []]
    peaks: list[int | None] = [None, None]
    for _ in range(rounds):
        for number, process in enumerate(processes):
            time.sleep(0.5)  # PyTorch's threads spin for a while after its turn
            answer = process.ask(steps=counts[number])
            rates[number].append(row.folds * row.batch * counts[number] / answer["seconds"])
            peaks[number] = answer["memory"]
    return rates, peaks


def fit_beside_step(rounds: int, network: str, size: int) -> str:
    """The steps of a fold in `cv`, from the view store, beside the compiled step on a batch in memory, by turns."""
    os.environ.update(_KERAS)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["KERAS_SISTER_CACHE"] = scratch
        ratios = _fit_ratios(Path(scratch), rounds, network, size)
    return f"fit in cv beside its bare compiled step: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def _fit_ratios(scratch: Path, rounds: int, network: str, size: int) -> list[float]:
    import numpy as np
    import tensorflow as tf

    from keras_sister.config import Experiment
    from keras_sister.data.dcsa import load_dcsa
    from keras_sister.run import Run
    from keras_sister.street import write_street
    from keras_sister.training.fill_views import fill_view_store
    from keras_sister.training.start import start_run
    from keras_sister.training.trainer import Trainer

    steps = 8
    write_street(scratch / "street", photos=8 * steps, seed=0)
    run = Run(scratch / "run")
    run.folder.mkdir()
    settings = Experiment(
        system="baseline", backbone=network, weights="none", size=size, batch_size=8, epochs=rounds + 1
    )
    start_run(run, load_dcsa(scratch / "street"), settings, resume=False)
    fill_view_store(run, lambda event: None)
    trainer = Trainer(run, seed=0)
    photos = np.zeros((8, size, size, 3), np.uint8)
    bare = iter(tf.data.Dataset.from_tensors(({"photo": photos}, run.labels[:8])).cache().repeat())
    times: list[float] = []
    ratios: list[float] = []

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            times.append(time.perf_counter())
        elif event["event"] == "epoch":
            fit = (times[-1] - times[0]) / (len(times) - 1)
            times.clear()
            start = time.perf_counter()
            for _ in range(steps - 1):
                logs = trainer.model.train_function(bare)
            np.asarray(next(iter(logs.values())))
            if event["epoch"]:  # the first one traces
                ratios.append((time.perf_counter() - start) / (steps - 1) / fit)

    trainer.fit(np.arange(8 * steps), None, folder=run.folder, on_event=on_event)
    return ratios


def _cores(cores: float | None) -> str:
    return "?" if cores is None else f"{cores:.1f}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
