"""The tasks of a worker: make views, train and test folds, predict changed photos, train the final model.

An interrupted task continues where it stopped when it is performed again. The tasks that train need no TensorFlow: it
is imported by those alone that read photos.
"""

from pathlib import Path

import numpy as np

from keras_sister.data.folds import check_trainable
from keras_sister.evaluation.checksums import note_checksums
from keras_sister.models import mirror_averaged
from keras_sister.run import CHECKPOINT, HEADS_CHECKPOINT, WEIGHTS, OnEvent, Run
from keras_sister.storage.atomic import write_atomically
from keras_sister.training.fit import check_trained, without_optimizer
from keras_sister.training.fold_split import fold_splits
from keras_sister.training.one_pass import train_head_on_all_photos, train_heads
from keras_sister.training.precision import set_precision
from keras_sister.training.predictions import PredictionWriter
from keras_sister.training.trainer import Trainer


def perform(run: Run, task: str, on_event: OnEvent) -> None:
    """Perform one task of a run.

    Args:
        run: with its settings and dataset in place, and ``folds.json`` for a fold or ``robustness``.
        task: ``views``, ``heads``, ``train``, ``robustness``, or the name of a fold.
        on_event: receives progress events.

    Raises:
        InputError: for mistakes that a user can fix, such as a damaged photo.
    """
    set_precision(run.experiment.precision)
    if task == "views":
        from keras_sister.training.fill_views import fetch_tower_weights, fill_view_store

        fetch_tower_weights(run, on_event)
        fill_view_store(run, on_event)
    elif task == "train":
        train_on_all_photos(run, on_event)
    elif task == "heads":
        train_heads(run, on_event)
    elif task == "robustness":
        from keras_sister.training.robustness import predict_changed_photos

        predict_changed_photos(run, on_event)
    else:
        (number,) = (number for number in range(len(run.folds)) if run.fold(number).name == task)
        train_fold(run, number, on_event)


def train_fold(run: Run, number: int, on_event: OnEvent) -> None:
    """Train on the other folds, select the epoch on a validation split of them, and predict this fold's photos.

    Writes ``history.json``, ``model.weights.h5`` and ``predictions.npz`` into the fold's folder. The last epoch is kept
    if no label of the validation split is known.

    Raises:
        InputError: if no label of the training photos is known; if a loss or a logit is not a finite number.
    """
    fold, (split,) = run.fold(number), fold_splits(run, [number])
    fold.folder.mkdir(exist_ok=True)
    trainer = Trainer(run, seed=split.seed)
    validation = split.validation if len(split.validation) else None
    trainer.fit(split.train, validation, folder=fold.folder, on_event=on_event)
    PredictionWriter(run).write(number, trainer.predict(run.folds[number]))
    (fold.folder / CHECKPOINT).unlink(missing_ok=True)  # now: together those of all folds are large


def train_on_all_photos(run: Run, on_event: OnEvent) -> None:
    """Train on all photos for all epochs; writes ``history.json`` and ``model.keras`` into the run folder.

    Raises:
        InputError: if a loss or a trained weight is not a finite number.
    """
    check_trainable(run.labels, run.weights, "train")
    if run.experiment.is_one_pass:
        model = train_head_on_all_photos(run, on_event)
    else:
        trainer = Trainer(run, seed=run.experiment.seed)
        trainer.fit(np.arange(len(run.labels)), None, folder=run.folder, on_event=on_event)
        model = trainer.model
    check_trained(model, run.folder.name, "lower --learning-rate or choose another --precision")
    network = without_optimizer(model)  # which is twice the weights' size
    if run.experiment.flip_average:
        network = mirror_averaged(network)

    def write(path: Path) -> None:
        network.save(path)
        (run.folder / WEIGHTS).unlink(missing_ok=True)
        note_checksums(run, run.folder, "model.keras", path)

    write_atomically(run.folder / "model.keras", write)
    for temporary in (CHECKPOINT, HEADS_CHECKPOINT, WEIGHTS):
        (run.folder / temporary).unlink(missing_ok=True)
