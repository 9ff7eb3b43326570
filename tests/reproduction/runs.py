"""Datasets and predictions for tables, without training."""

from pathlib import Path

import numpy as np

from keras_sister.data.dataset import Dataset
from keras_sister.evaluation.out_of_fold import OutOfFold
from keras_sister.reproduction.plan import Cell, Plan
from keras_sister.reproduction.results import Results
from keras_sister.schema import DCSA


def dataset(photos: int) -> Dataset:
    labels = np.stack([np.random.default_rng(0).integers(-1, len(a.classes), photos) for a in DCSA], axis=1)
    return Dataset(DCSA, tuple(Path(f"{i:06d}.jpg") for i in range(photos)), labels.astype(np.int8))


def results(plan: Plan, of: Dataset) -> Results:
    """Results in which every experiment predicts 7 of 10 labels correctly, each other ones."""
    return Results(plan, {cell.name: _predictions(cell, of, draw) for draw, cell in enumerate(plan.cells)})


def _predictions(cell: Cell, of: Dataset, draw: int) -> OutOfFold:
    folds = np.array_split(np.random.default_rng(cell.experiment.seed).permutation(len(of)), cell.experiment.folds)
    right = np.random.default_rng(draw).random(of.labels.shape) < 0.7
    classes = np.where(right & (of.labels >= 0), of.labels, of.labels == 0)
    logits = [classes[:, [i]] - 0.5 if a.is_binary else np.eye(a.n_logits)[classes[:, i]] for i, a in enumerate(DCSA)]
    photos = [(photo.name, photo.name) for photo in of.photos]
    return OutOfFold(cell.name, cell.experiment, DCSA, photos, of.labels, np.concatenate(logits, axis=1), folds)
