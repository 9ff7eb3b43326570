"""One model of a run: built from the settings, fitted on some photos, asked about others."""

import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_sister import models
from keras_sister.config import Experiment
from keras_sister.data.pipeline import ViewPairs, evaluation_batches, training_batches
from keras_sister.data.views import ViewStore
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.schema import Schema
from keras_sister.segmentation.compositing import model_views
from keras_sister.training.fit import best_epoch, fit
from keras_sister.training.run import OnEvent, Run


class Trainer:
    """Joins a run's settings, its views and its labels in one compiled model.

    Args:
        run: with ``views.json`` in place.
        seed: of the initial weights, the order of the photos, and their augmentation.
    """

    def __init__(self, run: Run, *, seed: int) -> None:
        self.experiment = run.experiment
        self.labels = run.labels
        made = run.read("views.json")
        self.views = ViewStore(self.experiment.size, made["fingerprint"]).open(made["keys"])
        self.seed = seed
        keras.utils.set_random_seed(seed)
        self.model = build_model(self.experiment, run.schema)
        self.model.compile(
            optimizer=keras.optimizers.Adam(self.experiment.learning_rate),
            loss=MaskedAttributeLoss(run.schema),
            metrics=[AttributeAccuracy(run.schema)],
        )

    def fit(self, train: np.ndarray, validation: np.ndarray | None, *, folder: Path, on_event: OnEvent) -> None:
        """Train on the photos `train`, keep the epoch that does best on `validation`, write ``history.json``.

        See `keras_sister.training.fit.fit`.
        """
        history = fit(
            self.model,
            lambda first_epoch: self._training_batches(train, first_epoch),
            steps=math.ceil(len(train) / self.experiment.batch),
            epochs=self.experiment.epochs,
            validation=None if validation is None else self._evaluation_batches(validation),
            folder=folder,
            on_event=on_event,
        )
        Run(folder).write("history.json", {"best_epoch": best_epoch(history), "epochs": history})

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The logits of photos: float32 array, shape (len(rows), n_logits)."""
        return self.model.predict(self._evaluation_batches(rows).map(lambda inputs, labels: inputs), verbose=0)

    def _training_batches(self, rows: np.ndarray, first_epoch: int) -> tf.data.Dataset:
        return training_batches(
            self.views,
            self.labels,
            rows,
            batch=self.experiment.batch,
            seed=self.seed,
            first_epoch=first_epoch,
            epochs=self.experiment.epochs,
            augmented=self.experiment.augment,
        ).map(self._inputs)

    def _evaluation_batches(self, rows: np.ndarray) -> tf.data.Dataset:
        return evaluation_batches(self.views, self.labels, rows, batch=self.experiment.batch).map(self._inputs)

    def _inputs(self, pairs: ViewPairs, labels: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        return model_inputs(pairs, self.experiment), labels


def build_model(experiment: Experiment, schema: Schema) -> keras.Model:
    """The model of an experiment, with its towers frozen where only the head is trained.

    Raises:
        InputError: if the weights it starts from cannot be had.
    """
    model = models.build(
        experiment.system,
        schema,
        backbone=experiment.backbone,
        small=experiment.small,
        weights=experiment.weights,
        size=experiment.size,
    )
    if experiment.trainable == "head":
        for layer in model.layers:
            # A tower is a model of its own; frozen, its batch normalisation keeps the statistics it came with.
            layer.trainable = not isinstance(layer, keras.Model)
    return model


def model_inputs(pairs: ViewPairs, experiment: Experiment) -> dict[str, tf.Tensor]:
    """What the system looks at, by view, made from a batch of view pairs.

    Returns:
        For each of `experiment.views` an uint8 tensor, shape (batch, size, size, 3), RGB, or 1 for a mask.
    """
    return model_views(pairs["photo"], pairs.get("mask"), experiment.views, experiment.background, experiment.edges)
