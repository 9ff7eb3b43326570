"""Write the out-of-fold predictions of a fold, the last file of its training."""

from pathlib import Path

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import note_checksums
from keras_sister.run import Run
from keras_sister.storage.atomic import write_atomically


def write_predictions(run: Run, number: int, logits: np.ndarray) -> None:
    """Write ``predictions.npz`` and ``checksums.json`` into a fold's folder.

    Args:
        run: the run.
        number: the fold, counted from 0; its ``history.json`` and ``model.weights.h5`` are in place.
        logits: float array, shape (the fold's photos, n_logits).

    Raises:
        InputError: if a logit is not a finite number.
    """
    fold, rows, photos = run.fold(number), run.folds[number], run.photos
    if not np.isfinite(logits).all():
        raise InputError(
            f"{fold.name}: the model of epoch {fold.best_epoch + 1} predicts a logit that is not finite; lower"
            " --learning-rate or choose another --precision, with another --out."
        )
    predictions = {
        "photos": np.array([photos[row].name for row in rows]),
        "rows": rows,
        "labels": run.labels[rows],
        "logits": logits,
    }

    def write(path: Path) -> None:
        np.savez(path, **predictions)
        note_checksums(run, fold.folder, fold.predictions.name, path)

    write_atomically(fold.predictions, write)
