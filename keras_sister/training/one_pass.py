"""Train with frozen towers (``--trainable head``): one pass of the photos through the towers serves all folds.

The towers' features come from the feature store (`tower_features`); then the heads of all folds train together
(`HeadTrainer`). Each fold's folder gets the files that a fold trained alone would have.
"""

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister.config import Experiment
from keras_sister.losses import MaskedAttributeLoss, class_weight_table
from keras_sister.models.frozen import all_towers_of, head_of
from keras_sister.run import CHECKPOINT, HEAD_WEIGHTS, HEADS_CHECKPOINT, WEIGHTS, OnEvent, Run, best_epoch
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_json
from keras_sister.training.class_weights import balanced_class_weights
from keras_sister.training.fold_split import FoldSplit, fold_splits, write_folds
from keras_sister.training.head_trainer import HeadTrainer
from keras_sister.training.optimizer import learning_rates
from keras_sister.training.predictions import PredictionWriter
from keras_sister.training.stacked_heads import StackedHeads
from keras_sister.training.tower_features import Features, tower_features
from keras_sister.training.trainer import build_model


def train_heads(run: Run, on_event: OnEvent) -> None:
    """Draw the folds, train their heads, and predict each fold's photos by the head that was not trained on them.

    Writes ``folds.json``, once the weights of the towers, and ``history.json``, ``head.weights.h5`` and
    ``predictions.npz`` into the folder of every fold without predictions.

    Raises:
        InputError: if there are too few photos for the folds; if no label of a fold's training photos is known; if a
            feature, a loss or a logit is not a finite number.
    """
    model = _new_model(run)
    towers = all_towers_of(model)

    def prepare() -> list[FoldSplit]:
        write_folds(run)
        splits = fold_splits(run)
        write_atomically(run.towers, towers.save_weights)  # byte by byte as before, if it was there
        return splits

    with ThreadPoolExecutor(1) as beside:  # on what the feature pass leaves idle of the processors
        prepared: list[Future[list[FoldSplit]]] = []

        def tell(event: dict[str, Any]) -> None:
            if not prepared and event["done"]:  # the first tower is compiled: Python is hardly needed then
                prepared.append(beside.submit(prepare))
            if prepared and prepared[0].done():
                prepared[0].result()  # its error at once, not after all features
            on_event(event)

        features = tower_features(run, model, tell)
        splits = prepared[0].result()
    writer = PredictionWriter(run)  # before training: both take much memory for a moment
    trainer = _train(run, model, features, splits, on_event)
    predicted, head = trainer.predict(writer.folds), head_of(model)
    for number, logits in enumerate(predicted):
        fold = run.fold(number)
        if fold.predictions.exists():
            continue
        fold.folder.mkdir(exist_ok=True)
        for trained_alone in (WEIGHTS, CHECKPOINT):  # by an earlier version, with settings that now go in one pass
            (fold.folder / trained_alone).unlink(missing_ok=True)
        _set_weights(head, trainer.heads.best_weights(number))
        write_atomically(fold.folder / HEAD_WEIGHTS, head.save_weights)
        _write_history(fold.folder, trainer.histories[number])
        writer.write(number, logits)
    (run.folder / HEADS_CHECKPOINT).unlink(missing_ok=True)  # `train` in this folder would continue from it


def train_head_on_all_photos(run: Run, on_event: OnEvent) -> keras.Model:
    """Train one head on all photos for all epochs; writes ``history.json``. Returns the whole model.

    Raises:
        InputError: if a feature or a loss is not a finite number.
    """
    rows, model = np.arange(len(run.labels)), _new_model(run)
    features = tower_features(run, model, on_event)
    trainer = _train(run, model, features, [FoldSplit("train", rows, rows[:0], run.experiment.seed)], on_event)
    _set_weights(head_of(model), trainer.heads.best_weights(0))
    _write_history(run.folder, trainer.histories[0])
    return model


def _new_model(run: Run) -> keras.Model:
    keras.utils.set_random_seed(run.experiment.seed)  # of towers without weights, the same for all folds
    return build_model(run.experiment, run.schema)


def _train(
    run: Run, model: keras.Model, features: Features, splits: Sequence[FoldSplit], on_event: OnEvent
) -> HeadTrainer:
    experiment, (plain, mirrored) = run.experiment, features
    loss = MaskedAttributeLoss(
        run.schema,
        loss=experiment.loss,
        gamma=experiment.gamma,
        label_smoothing=experiment.label_smoothing,
        reduction=None,
    )
    seeds = [split.seed for split in splits]
    heads = StackedHeads(
        head_of(model),
        run.schema,
        seeds,
        plain,
        mirrored,
        learning_rate=_Rates(experiment, splits),
        standardize_on=[split.train for split in splits] if experiment.standardize else None,
        loss=loss,
    )
    trainer = HeadTrainer(
        heads,
        splits,
        run.labels,
        batch_size=experiment.batch_size,
        weights=run.weights,
        class_weights=[_class_weights(run, split) for split in splits],
    )
    trainer.fit(epochs=experiment.epochs, checkpoint=run.folder / HEADS_CHECKPOINT, on_event=on_event)
    return trainer


class _Rates:
    """The learning rates of folds, each of which runs through the schedule in its own number of steps."""

    def __init__(self, experiment: Experiment, splits: Sequence[FoldSplit]) -> None:
        steps = [experiment.epochs * math.ceil(len(split.train) / experiment.batch_size) for split in splits]
        of_steps = {number: learning_rates(experiment, number) for number in set(steps)}
        self.rates = [of_steps[number] for number in steps]

    def __call__(self, steps: np.ndarray) -> np.ndarray:
        """The rate of each fold in its next step, (folds,), from the steps that it has taken."""
        # A fold that has ended takes no part in the last steps of longer ones, whatever its rate.
        return np.array([rates[min(step, len(rates) - 1)] for rates, step in zip(self.rates, steps, strict=True)])


def _class_weights(run: Run, split: FoldSplit) -> np.ndarray:
    """The weight of each class in a fold's loss, (attributes, classes), from the labels that it trains on."""
    if run.experiment.class_weights != "balanced":
        return class_weight_table(run.schema, {})
    weights = None if run.weights is None else run.weights[split.train]
    return class_weight_table(run.schema, balanced_class_weights(run.schema, run.labels[split.train], weights))


def _set_weights(head: keras.Model, weights: Sequence[np.ndarray]) -> None:
    for variable, value in zip(head.trainable_variables, weights, strict=True):
        variable.assign(value)


def _write_history(folder: Path, history: list[dict[str, float]]) -> None:
    write_json(folder / "history.json", {"best_epoch": best_epoch(history), "epochs": history})
