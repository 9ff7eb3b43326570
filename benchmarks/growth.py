"""How the cost of `cv` grows with photos, folds and systems: seconds, and peak memory that is not a mapped file.

    python -m benchmarks.growth WORK [--picture docs/growth.svg]

Small photos and towers (`resnet_mini` at 32 pixels), because what grows is the point here: `cv --trainable head` from
an empty cache, views and features included. Photos are copies of a few, each with a byte of its own after its end, so
that none is found in the view store. Every row is a new process; finished rows are kept in WORK.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

from benchmarks.side_by_side import machine
from keras_sister.data.dcsa import load_dcsa, write_labels
from keras_sister.schema import DCSA
from keras_sister.street import write_street

DRAWN = 64
FIRST = "sister_b"  # with linear heads; those of sister_a have 1,024 units a tower
START = {"photos": 256, "folds": 4, "systems": 1}
GROWTH = {
    ("photos", FIRST): [256, 1024, 4096, 25600],
    ("folds", FIRST): [2, 4, 8, 16],
    ("folds", "sister_a"): [2, 4, 8, 16],
    ("systems", FIRST): [1, 2, 4, 8],
}
SYSTEMS = ["sister_b", "baseline", "segmented", "sister_a", "twin", "gate_single", "gate_add", "gate_concat"]
Rows = dict[tuple[str, str, int], dict[str, float]]


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the rows into an SVG file.")
def main(work: Path, picture: Path | None) -> None:
    work.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}\n\n| grows | first system | to | seconds | MB |\n|---|---|---|---|---|")
    measured: Rows = {}
    for (what, first), values in GROWTH.items():
        for value in values:
            row = measured[what, first, value] = _row(work, {**START, what: value}, first)
            print(f"| {what} | {first} | {value:,} | {row['seconds']:.0f} | {row['megabytes']:.0f} |", flush=True)
    if picture:
        _draw(measured, picture)


def _row(work: Path, plan: dict[str, int], first: str) -> dict[str, float]:
    kept = work / ("-".join([first, *(f"{value}-{name}" for name, value in plan.items())]) + ".json")
    if not kept.exists():
        dataset = work / f"photos-{plan['photos']}"
        _write_photos(dataset, plan["photos"])
        shutil.rmtree(work / "runs", ignore_errors=True)
        shutil.rmtree(work / "cache", ignore_errors=True)
        systems = sorted(SYSTEMS, key=lambda system: system != first)[: plan["systems"]]
        command = [sys.executable, "-m", "cli", "cv", str(dataset), "--systems", ",".join(systems)]
        network = "--backbone resnet_mini --person-backbone resnet_mini --weights none --size 32 --trainable head"
        training = f"--folds {plan['folds']} --epochs 4 --batch-size 64 --segmenter masks:{dataset / 'masks'}"
        command += [*network.split(), *training.split(), "--out", str(work / "runs")]
        start = time.monotonic()
        environment = {**os.environ, "KERAS_SISTER_CACHE": str(work / "cache")}
        with (work / "log.txt").open("w") as log, _peak_memory() as peak:
            subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)  # noqa: S603 - ours
        kept.write_text(json.dumps({"seconds": time.monotonic() - start, "megabytes": peak[0] / 1e3}))
    return json.loads(kept.read_text())


def _write_photos(out: Path, photos: int) -> None:
    if (out / "labels").exists():
        return
    drawn = out.parent / "drawn"
    write_street(drawn, photos=DRAWN, seed=0)
    dataset = load_dcsa(drawn)
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for number in range(photos):
        photo = dataset.photos[number % DRAWN]
        (out / "images" / f"{number + 1:06d}.jpg").write_bytes(photo.read_bytes() + number.to_bytes(4))
        shutil.copy(drawn / "masks" / f"{photo.stem}.png", out / "masks" / f"{number + 1:06d}.png")
    write_labels(out, DCSA, dataset.labels[np.arange(photos) % DRAWN])


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """The largest sum of the memory of this process's descendants, in kB, without the pages of mapped files."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            peak[0] = max(peak[0], sum(map(_anonymous, _descendants(os.getpid()))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _descendants(process: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:  # it has just ended
        return []
    return children + [deeper for child in children for deeper in _descendants(child)]


def _anonymous(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _draw(measured: Rows, picture: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots(2, len(START), sharey="row")
    for (what, first), values in GROWTH.items():
        column = list(START).index(what)
        for row, (unit, color) in enumerate((("seconds", "#4477AA"), ("megabytes", "#EE6677"))):
            heights = [measured[what, first, value][unit] for value in values]
            line = "o-" if first == FIRST else "s--"
            axes[row][column].plot(values, heights, line, color=color, label=first)
            axes[row][column].set_xscale("log", base=2)
            axes[row][column].set_xticks(values, [f"{value:,}" for value in values])
            axes[row][column].spines[["top", "right"]].set_visible(False)
        axes[1][column].set_xlabel(what)
    for shared in axes[:, 0]:  # when all are drawn: from then on the limits stay
        shared.set_ylim(bottom=0)
    axes[0][0].set_ylabel("seconds")
    axes[1][0].set_ylabel("peak memory, MB")
    axes[0][list(START).index("folds")].legend(frameon=False)
    figure.savefig(picture)


if __name__ == "__main__":
    main()
