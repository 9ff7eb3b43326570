"""Time several variants of one task in alternation, so that a slow moment of the machine affects all of them."""

import datetime
import os
import platform
import time
from collections.abc import Callable, Mapping
from statistics import median

import tensorflow as tf


def report(
    reference: str, photos: int, variants: Mapping[str, Callable[[], object]], *, title: str, rounds: int = 11
) -> None:
    """Print photos per second for each variant, and the ratio to the reference: medians over the rounds.

    Args:
        reference: name of the variant that the others are compared with.
        photos: number of photos that one call processes.
        variants: the functions to time, by name.
        title: title of the table.
        rounds: number of timed calls of each variant.
    """
    for variant in variants.values():
        variant()  # traces graphs
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            start = time.perf_counter()
            variant()
            seconds[name].append(time.perf_counter() - start)
    print(f"{machine()}\n")
    print(f"| Photos per second, {title} | | relative to {reference} |\n|---|---|---|")
    for name in variants:
        ratio = median(a / b for a, b in zip(seconds[reference], seconds[name], strict=True))
        print(f"| {name} | {photos / median(seconds[name]):,.0f} | {ratio:.2f} × |")
    print()


def machine() -> str:
    """Where and when numbers are measured."""
    return f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}"
