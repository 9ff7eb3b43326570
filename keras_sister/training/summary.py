"""The scores of a cross-validation, from its out-of-fold predictions."""

from typing import Any

import numpy as np

from keras_sister.schema import Schema
from keras_sister.scores import accuracies, macc, majority
from keras_sister.training.run import Run


def summarize(run: Run) -> dict[str, Any]:
    """Score a run whose folds are all there.

    Returns:
        The content of ``summary.json``, accuracies in [0, 1]:

        - ``macc``: ``mean`` and ``std`` (of the sample) of the folds' MACC, and ``pooled``, the unweighted mean of the
          attributes' accuracies below;
        - ``attributes``: by name ``accuracy`` over all out-of-fold predictions with a known label, ``majority``, the
          accuracy of always answering the class that is most frequent among the training photos of the fold, and
          ``known``, how many labels that is; an attribute without a known label has null for both;
        - ``majority``: ``mean``, ``std`` and ``pooled`` as in ``macc``, of the majority answer;
        - ``folds``: for each fold ``macc``, ``majority``, ``photos`` and ``best_epoch``, counted from 0.
    """
    schema, labels = run.schema, run.labels
    predicted, constant = np.empty_like(labels), np.empty_like(labels)
    folds = []
    for fold, rows in enumerate(run.folds):
        name = f"fold-{fold:02d}"
        with np.load(run.folder / name / "predictions.npz", allow_pickle=False) as saved:
            predicted[rows] = schema.predict(saved["logits"])
        constant[rows] = majority(schema, np.delete(labels, rows, axis=0))
        folds.append(
            {
                "macc": _macc(schema, labels[rows], predicted[rows]),
                "majority": _macc(schema, labels[rows], constant[rows]),
                "photos": len(rows),
                "best_epoch": run.read(f"{name}/history.json")["best_epoch"],
            }
        )
    ours, theirs = accuracies(schema, labels, predicted), accuracies(schema, labels, constant)
    known = (labels >= 0).sum(axis=0)
    return {
        "macc": _spread([fold["macc"] for fold in folds]) | {"pooled": macc(ours)},
        "majority": _spread([fold["majority"] for fold in folds]) | {"pooled": macc(theirs)},
        "attributes": {
            name: {"accuracy": ours.get(name), "majority": theirs.get(name), "known": int(count)}
            for name, count in zip(schema.names, known, strict=True)
        },
        "folds": folds,
    }


def _macc(schema: Schema, labels: np.ndarray, predicted: np.ndarray) -> float:
    return macc(accuracies(schema, labels, predicted))


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}
