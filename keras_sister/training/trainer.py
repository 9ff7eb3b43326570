"""One model of a run: built from the settings, trained on some photos, evaluated on others."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister import models
from keras_sister.config import Experiment
from keras_sister.data.batches import evaluation_batches, training_batches
from keras_sister.data.image_store import Images
from keras_sister.data.view_store import ViewStore
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.models.frozen import head_of
from keras_sister.run import OnEvent, Run, best_epoch
from keras_sister.schema import Schema
from keras_sister.segmentation.views import make_views
from keras_sister.storage.json_files import write_json
from keras_sister.training.class_weights import balanced_class_weights
from keras_sister.training.fit import fit_model
from keras_sister.training.optimizer import towers_of
from keras_sister.training.phases import phases_of
from keras_sister.training.stacked_heads import new_head
from keras_sister.training.variation import vary_views


class Trainer:
    """A compiled model with the view pairs and labels of a run.

    Args:
        run: with ``views.json`` in place.
        seed: random seed of the initial weights, the order of the photos, and their augmentation.
    """

    def __init__(self, run: Run, *, seed: int) -> None:
        self.experiment = run.experiment
        self.labels = run.labels
        self.weights = run.weights
        self.pairs = ViewStore(self.experiment.size, run.views["fingerprint"]).open(run.photo_keys, run.photos)
        self.seed = seed
        keras.utils.set_random_seed(seed)
        self.schema = run.schema
        self.model = build_model(self.experiment, run.schema)
        if self.experiment.trainable == "head":  # starts as it does with one pass for all folds
            head = head_of(self.model)
            head.set_weights(new_head(head, seed, "float32").get_weights())

    def fit(self, train: np.ndarray, validation: np.ndarray | None, *, folder: Path, on_event: OnEvent) -> None:
        """Train on the rows `train`, keep the epoch that is best on `validation`, write ``history.json``.

        See `keras_sister.training.fit.fit_model`.
        """
        steps = math.ceil(len(train) / self.experiment.batch_size)
        loss = self._loss(train)

        def compile_with(optimizer: keras.optimizers.Optimizer) -> None:
            self.model.compile(optimizer, loss=loss, metrics=[AttributeAccuracy(self.schema)])

        history = fit_model(
            self.model,
            phases_of(self.experiment, self.model, compile_with, steps=steps),
            lambda first_epoch: self._training_batches(train, first_epoch),
            steps=steps,
            validation=None if validation is None else self._batches(validation, self._labelled),
            folder=folder,
            on_event=on_event,
        )
        write_json(folder / "history.json", {"best_epoch": best_epoch(history), "epochs": history})

    def _loss(self, train: np.ndarray) -> MaskedAttributeLoss:
        weights = None if self.weights is None else self.weights[train]
        is_balanced = self.experiment.class_weights == "balanced"
        return MaskedAttributeLoss(
            self.schema,
            loss=self.experiment.loss,
            gamma=self.experiment.gamma,
            label_smoothing=self.experiment.label_smoothing,
            class_weights=balanced_class_weights(self.schema, self.labels[train], weights) if is_balanced else None,
        )

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Logits of photos: float32 array, shape (len(rows), n_logits)."""
        model = models.mirror_averaged(self.model) if self.experiment.flip_average else self.model
        return model.predict(self._batches(rows, lambda pairs, rows: self._views(pairs)), verbose=0)

    def _training_batches(self, rows: np.ndarray, first_epoch: int) -> Any:
        return training_batches(
            self.pairs,
            rows,
            batch_size=self.experiment.batch_size,
            seed=self.seed,
            first_epoch=first_epoch,
            epochs=self.experiment.epochs,
            augmented=self.experiment.augment,
            finish=self._varied,
        )

    def _batches(self, rows: np.ndarray, finish: Callable[[Images, Any], Any]) -> Any:
        return evaluation_batches(self.pairs, rows, batch_size=self.experiment.batch_size, finish=finish)

    def _views(self, pairs: Images) -> Images:
        experiment = self.experiment
        return make_views(pairs, experiment.views, background=experiment.background, edges=experiment.edges)

    def _labelled(self, pairs: Images, rows: Any) -> tuple[Any, ...]:
        return self._views(pairs), keras.ops.take(self.labels, rows, axis=0)

    def _varied(self, pairs: Images, rows: Any, draws: Any) -> tuple[Any, ...]:
        """An example for training: with the photos' weights, if there are any. Scores are not weighted."""
        views, labels = self._labelled(pairs, rows)
        varied = vary_views(
            views,
            pairs,
            draws,
            random_background=self.experiment.random_background,
            drop_view=self.experiment.drop_view,
        )
        if self.weights is None:
            return varied, labels
        return varied, labels, keras.ops.take(self.weights.astype("float32"), rows, axis=0)


def build_model(experiment: Experiment, schema: Schema) -> keras.Model:
    """Build the model of an experiment, in which towers or their batch normalization are frozen where so set.

    Raises:
        InputError: if the initial weights cannot be loaded.
    """
    model = models.build(
        experiment.system,
        schema,
        backbone=experiment.backbone,
        person_backbone=experiment.person_backbone,
        weights=experiment.weights,
        size=experiment.size,
        pooling=experiment.pooling,
        levels=experiment.levels,
    )
    for tower in towers_of(model):
        if experiment.trainable == "head":
            tower.trainable = False
        elif experiment.batch_norm == "frozen":
            for layer in tower._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False  # in Keras it then keeps its statistics in training too
    return model
