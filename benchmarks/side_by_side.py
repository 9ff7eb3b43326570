"""Several ways to do one thing, timed in turn, round after round, so that a slow moment of the machine hits all."""

import datetime
import os
import platform
import time
from collections.abc import Callable, Mapping
from statistics import median

import tensorflow as tf


def report(
    reference: str, photos: int, ways: Mapping[str, Callable[[], object]], *, title: str, rounds: int = 11
) -> None:
    """Print photos a second of each way, and how many times those of the reference: medians over the rounds.

    Args:
        reference: the way that the others are measured by.
        photos: that each way goes through.
        ways: by name.
        title: of the table.
        rounds: how often each way is timed.
    """
    for way in ways.values():
        way()  # traces graphs
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}\n")
    print(f"| Photos a second, {title} | | of {reference} |\n|---|---|---|")
    for name in ways:
        ratio = median(a / b for a, b in zip(seconds[reference], seconds[name], strict=True))
        print(f"| {name} | {photos / median(seconds[name]):,.0f} | {ratio:.2f} × |")
    print()
