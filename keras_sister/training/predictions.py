"""Write the out-of-fold predictions of folds, the last file of their training."""

from pathlib import Path

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import contents_of, digest_of_towers, note_checksums
from keras_sister.run import Run
from keras_sister.storage.atomic import write_atomically


class PredictionWriter:
    """Writes the ``predictions.npz`` and ``checksums.json`` of folds. It reads the run's photos and towers once.

    Args:
        run: with ``folds.json`` in place.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.folds, self.labels = run, run.folds, run.labels
        self.names, self.contents = run.photo_names, contents_of(run)
        self.towers = digest_of_towers(run)

    def write(self, number: int, logits: np.ndarray) -> None:
        """Write the files of a fold.

        Args:
            number: the fold, counted from 0; its ``history.json`` and weights are in place.
            logits: float array, shape (the fold's photos, n_logits).

        Raises:
            InputError: if a logit is not a finite number.
        """
        fold, rows = self.run.fold(number), self.folds[number]
        if not np.isfinite(logits).all():
            raise InputError(
                f"{fold.name}: the model of epoch {fold.best_epoch + 1} predicts a logit that is not finite; lower"
                " --learning-rate or choose another --precision, with another --out."
            )
        predictions = {
            "photos": np.array([self.names[row] for row in rows]),
            "rows": rows,
            "labels": self.labels[rows],
            "logits": logits,
        }

        def write(path: Path) -> None:
            np.savez(path, **predictions)
            last = fold.predictions.name
            note_checksums(self.run, fold.folder, last, path, contents=self.contents, towers=self.towers)

        write_atomically(fold.predictions, write)
