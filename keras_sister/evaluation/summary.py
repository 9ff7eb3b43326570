"""The scores of a cross-validation, from its out-of-fold predictions."""

import json
from typing import Any

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.out_of_fold import OutOfFold, majority_predictions, read_out_of_fold
from keras_sister.evaluation.paired import bootstrap_macc
from keras_sister.evaluation.pedestrian_metrics import pedestrian_metrics
from keras_sister.evaluation.robustness import summarize_robustness
from keras_sister.evaluation.scores import macc
from keras_sister.run import Run
from keras_sister.storage.json_files import to_json


def summarize(run: Run, predictions: OutOfFold | None = None, *, robustness: bool = False) -> dict[str, Any]:
    """Score a run whose folds have all ended.

    Args:
        run: the run.
        predictions: its out-of-fold predictions, if they have been read.
        robustness: score the predictions for changed photos too, as ``robustness``; see
            `keras_sister.evaluation.robustness.summarize_robustness`.

    Returns:
        The content of ``summary.json``, accuracies in [0, 1]:

        - ``macc``: ``mean`` and sample standard deviation (``std``) of the folds' MACC; folds without a known label are
          left out of both, and the deviation of one fold is null; ``pooled``, the unweighted mean of the attributes'
          accuracies below; its ``interval``, the 95 % bootstrap interval over photos, or over groups where photos have
          groups (`keras_sister.evaluation.paired.bootstrap_macc`);
        - ``photos``, and ``groups``, the number of groups, or null;
        - ``majority``: the same for predicting the most frequent class among a fold's training photos;
        - ``attributes``: by name ``accuracy`` over all photos whose label is known, ``majority`` likewise, and
          ``known``, the number of those photos; both are null for an attribute without a known label;
        - ``pedestrian``: mA and the instance-based metrics over all photos, if all attributes are binary
          (`keras_sister.evaluation.pedestrian_metrics`), else null;
        - ``folds``: for each fold ``macc``, ``majority``, ``photos`` and ``best_epoch``, counted from 0; ``macc`` and
          ``majority`` are null for a fold without a known label.

    Raises:
        InputError: as `keras_sister.evaluation.out_of_fold.read_out_of_fold` does.
    """
    ours = predictions or read_out_of_fold(run.folder)
    majority = majority_predictions(ours)
    accuracies, majorities = ours.accuracies(), majority.accuracies()
    summary = {
        "macc": {**_macc(ours), "interval": _interval(ours)},
        "majority": _macc(majority),
        "photos": len(ours.labels),
        "groups": None if ours.groups is None else len(np.unique(ours.groups)),
        "attributes": {
            name: {"accuracy": accuracies.get(name), "majority": majorities.get(name), "known": int(known)}
            for name, known in zip(ours.schema.names, ours.known.sum(axis=0), strict=True)
        },
        "pedestrian": pedestrian_metrics(ours.schema, ours.labels, ours.predicted),
        "folds": [
            {
                "macc": ours.macc_of(rows),
                "majority": majority.macc_of(rows),
                "photos": len(rows),
                "best_epoch": run.fold(number).best_epoch,
            }
            for number, rows in enumerate(ours.folds)
        ],
    }
    return {**summary, "robustness": summarize_robustness(run)} if robustness else summary


def _macc(predictions: OutOfFold) -> dict[str, float | None]:
    folds = predictions.fold_maccs()
    return {
        "mean": float(np.mean(folds)),
        "std": float(np.std(folds, ddof=1)) if len(folds) > 1 else None,
        "pooled": macc(predictions.accuracies()),
    }


def _interval(predictions: OutOfFold) -> list[float]:
    correct = predictions.correct
    measured = bootstrap_macc(predictions.known, correct, np.zeros_like(correct), groups=predictions.groups)
    return [measured.low, measured.high]


def read_summary(run: Run, predictions: OutOfFold | None = None) -> dict[str, Any]:
    """Read the ``summary.json`` of a finished run.

    Args:
        run: the run.
        predictions: its out-of-fold predictions, if they have been read.

    Raises:
        InputError: if it does not follow from the run's predictions, and as `summarize` does.
    """
    stored = run.read("summary.json")
    found = summarize(run, predictions, robustness=isinstance(stored, dict) and "robustness" in stored)
    if _rounded(stored) != _rounded(found):
        raise InputError(
            f"{run.folder / 'summary.json'}: does not follow from the run's predictions; remove it and run the command"
            " again with --resume."
        )
    return found


def _rounded(content: Any) -> Any:
    """Numbers without the last digits, in which processors differ."""
    return json.loads(to_json(content), parse_float=lambda digits: round(float(digits), 9))
