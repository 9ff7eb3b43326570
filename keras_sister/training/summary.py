"""The scores of a cross-validation, from its out-of-fold predictions."""

from typing import Any

import numpy as np

from keras_sister.scores import macc
from keras_sister.training.predictions import Predictions, majority_answers, read
from keras_sister.training.run import Run


def summarize(run: Run) -> dict[str, Any]:
    """Score a run whose folds are all there.

    Returns:
        The content of ``summary.json``, accuracies in [0, 1]:

        - ``macc``: ``mean`` and ``std`` (of the sample) of the folds' MACC, and ``pooled``, the unweighted mean of the
          attributes' accuracies below;
        - ``majority``: the same of always answering the class that is most frequent among a fold's training photos;
        - ``attributes``: by name ``accuracy`` over all photos whose label is known, ``majority`` likewise, and
          ``known``, how many photos that is; both are null for an attribute without a known label;
        - ``folds``: for each fold ``macc``, ``majority``, ``photos`` and ``best_epoch``, counted from 0.
    """
    ours = read(run.folder)
    constant = majority_answers(ours)
    accuracies, majorities = ours.accuracies(), constant.accuracies()
    return {
        "macc": _macc(ours),
        "majority": _macc(constant),
        "attributes": {
            name: {"accuracy": accuracies.get(name), "majority": majorities.get(name), "known": int(known)}
            for name, known in zip(ours.schema.names, ours.known.sum(axis=0), strict=True)
        },
        "folds": [
            {
                "macc": float(score),
                "majority": float(guessed),
                "photos": len(rows),
                "best_epoch": run.read(f"fold-{fold:02d}/history.json")["best_epoch"],
            }
            for fold, (rows, score, guessed) in enumerate(
                zip(ours.folds, ours.fold_maccs(), constant.fold_maccs(), strict=True)
            )
        ],
    }


def _macc(predictions: Predictions) -> dict[str, float]:
    folds = predictions.fold_maccs()
    return {
        "mean": float(np.mean(folds)),
        "std": float(np.std(folds, ddof=1)),
        "pooled": macc(predictions.accuracies()),
    }
