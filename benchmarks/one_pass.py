"""What all folds cost with frozen towers: the stacked heads beside a loop of `fit` calls, and `cv` beside its own pass.

    python -m benchmarks.one_pass DATASET WORK [--backbone efficientnet-lite0] [--weights imagenet] [--folds 16]

DATASET is a folder in DCSA's layout with ``masks/``, for example of ``data street --photos 1856``. WORK keeps the views
and the features. The feature pass begins where the views are there and ends with the last feature: towers are built,
and all photos go through them. The loop gets the same features as arrays; both train with the same batches, epoch by
epoch in turns.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from keras_sister.tensorflow_start import turn_on_onednn

turn_on_onednn()  # as in the processes that train, before TensorFlow is loaded

# ruff: noqa: E402
import click
import keras
import numpy as np

from benchmarks.side_by_side import machine
from keras_sister.config import FROZEN_LINEAR, RECIPES, Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.open import open_dataset
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.models.frozen import head_of
from keras_sister.run import Run
from keras_sister.training.cross_validation import cross_validate
from keras_sister.training.fold_split import fold_splits
from keras_sister.training.head_trainer import HeadTrainer
from keras_sister.training.stacked_heads import StackedHeads, new_head
from keras_sister.training.tower_features import tower_features
from keras_sister.training.trainer import build_model


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--backbone", default="efficientnet-lite0", show_default=True)
@click.option("--weights", default="imagenet", show_default=True, help="none: for timing without pretrained weights.")
@click.option("--folds", default=16, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(dataset: Path, work: Path, backbone: str, weights: str, folds: int, rounds: int) -> None:
    os.environ["KERAS_SISTER_CACHE"] = str(work / "cache")
    photos = open_dataset(dataset)
    settings = Experiment(
        backbone=backbone,
        person_backbone=backbone,
        weights=weights,
        segmenter=f"masks:{dataset / 'masks'}",
        folds=folds,
        trainable="head",
    )
    print(f"{machine()}; {len(photos)} photos, {folds} folds, {backbone}, weights {weights}\n")
    print("| | seconds | of them the feature pass | ratio | MACC |\n|---|---|---|---|---|")
    recipe = replace(settings, **RECIPES["frozen"])
    _cross_validation(photos, replace(recipe, system="sister_b", **FROZEN_LINEAR), work, "sister_b, --recipe frozen")
    _cross_validation(photos, replace(recipe, system="sister_a"), work, "sister_a, --recipe frozen")
    for system in ("sister_b", "sister_a"):
        _cross_validation(photos, replace(settings, system=system), work, system)
    print("\n| Seconds an epoch of all folds, batches of 32 | loop of fit | stacked | ratio |\n|---|---|---|---|")
    for system in ("sister_b", "sister_a"):
        _heads(replace(settings, system=system), Run(work / "run"), system, rounds)


def _cross_validation(photos: Dataset, experiment: Experiment, work: Path, name: str) -> None:
    """Time a cross-validation, from a full view store and an empty feature store; the run stays for `_heads`."""
    shutil.rmtree(work / "run", ignore_errors=True)
    shutil.rmtree(work / "cache" / "features", ignore_errors=True)
    if not (work / "cache" / "views").exists():  # fill the view store
        cross_validate(photos, replace(experiment, epochs=1), work / "run")
        shutil.rmtree(work / "run")
        shutil.rmtree(work / "cache" / "features")
    times = {}

    def note(event: dict) -> None:
        if event["task"] == "views" or event.get("what") == "features":
            times[event["task"]] = time.perf_counter()

    start = time.perf_counter()
    summary = cross_validate(photos, experiment, work / "run", on_event=note)
    whole, passed = time.perf_counter() - start, times["heads"] - times["views"]
    macc = 100 * summary["macc"]["mean"]
    print(f"| {name} | {whole:.1f} | {passed:.1f} | {whole / passed:.2f} × | {macc:.2f} |", flush=True)


def _heads(experiment: Experiment, run: Run, name: str, rounds: int) -> None:
    """Time an epoch of the heads of all folds, stacked and one by one."""
    keras.utils.set_random_seed(0)
    model = build_model(experiment, run.schema)
    features, _ = tower_features(run, model, lambda event: None)
    splits = fold_splits(run)
    rate, seeds = experiment.learning_rate, [split.seed for split in splits]
    heads = StackedHeads(head_of(model), run.schema, seeds, features, None, learning_rate=rate)
    trainer = HeadTrainer(heads, splits, run.labels, batch_size=experiment.batch_size)
    alone = []
    for seed in seeds:
        head = new_head(head_of(model), seed, "float32")
        head.compile(
            keras.optimizers.Adam(rate), loss=MaskedAttributeLoss(run.schema), metrics=[AttributeAccuracy(run.schema)]
        )
        alone.append(head)

    def stacked() -> None:
        trainer.fit(epochs=len(trainer.histories[0]) + 1, checkpoint=Path("no file"), on_event=lambda event: None)

    def loop() -> None:
        for head, split in zip(alone, splits, strict=True):
            rows, held_out = split.train, split.validation
            head.fit(
                [np.asarray(tower[rows]) for tower in features],
                run.labels[rows],
                batch_size=experiment.batch_size,
                validation_data=([np.asarray(tower[held_out]) for tower in features], run.labels[held_out]),
                verbose=0,
            )

    seconds = _in_turns([loop, stacked], rounds)
    ratio = median(a / b for a, b in zip(*seconds, strict=True))
    print(f"| {name} | {median(seconds[0]):.2f} | {median(seconds[1]):.2f} | {ratio:.1f} × |", flush=True)


def _in_turns(variants: list[Callable[[], None]], rounds: int) -> list[list[float]]:
    seconds: list[list[float]] = [[] for _ in variants]
    for number in range(rounds + 1):  # the first traces graphs
        for variant, times in zip(variants, seconds, strict=True):
            start = time.perf_counter()
            variant()
            if number:
                times.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
