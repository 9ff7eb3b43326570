"""A small cross-validation whose numbers are kept: ``python -m tests.faults.golden_run`` prints them, on a line.

After a change that is meant to change numbers, write them anew:

    python -m tests.faults.golden_run | python -m json.tool --indent 1 > tests/faults/golden_run.json
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from keras_sister.tensorflow_start import start_tensorflow

start_tensorflow()

# ruff: noqa: E402
import numpy as np
import pytest

from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.run import Run
from keras_sister.training.cross_validation import cross_validate

from ..conftest import draw_dataset, perform_tasks_here


def golden_run(dataset: Path, out: Path) -> Run:
    """Cross-validate Sister-A on the 48 drawn photos: 2 folds of 3 epochs, augmented, from random weights."""
    experiment = Experiment(
        system="sister_a",
        backbone="resnet_mini",
        person_backbone="resnet_mini",
        weights="none",
        segmenter=f"masks:{dataset / 'masks'}",
        size=32,
        augment=True,
        folds=2,
        epochs=3,
        batch_size=8,
        learning_rate=1e-3,
    )
    cross_validate(load_dcsa(dataset), experiment, out)
    return Run(out)


def numbers(run: Run) -> dict[str, Any]:
    """What is kept of it: losses, scores, and the mean and spread of the logits."""
    summary = run.read("summary.json")
    found: dict[str, Any] = {"macc": summary["macc"]["mean"], "majority": summary["majority"]["mean"], "folds": []}
    for number in range(2):
        epochs = run.read(f"fold-{number:02d}/history.json")["epochs"]
        with np.load(run.fold(number).predictions) as saved:
            logits = saved["logits"]
        losses = {name: [epoch[name] for epoch in epochs] for name in ("loss", "val_loss")}
        found["folds"].append({**losses, "logits": {"mean": float(logits.mean()), "std": float(logits.std())}})
    return found


def once_more(dataset: Path, run: Run) -> None:
    """Train the first fold again, as after its folder was removed."""
    shutil.rmtree(run.fold(0).folder)
    (run.folder / "summary.json").unlink()
    cross_validate(load_dcsa(dataset), run.experiment, run.folder, resume=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        perform_tasks_here(patch)  # not in workers, each of which starts TensorFlow
        dataset = Path(folder) / "dataset"
        draw_dataset(dataset, photos=48)
        run = golden_run(dataset, Path(folder) / "run")
        print(json.dumps(numbers(run)))
        if "--twice" in sys.argv:
            once_more(dataset, run)
            print(json.dumps(numbers(run)))
