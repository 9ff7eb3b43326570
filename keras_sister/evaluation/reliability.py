"""Reliability: how often a prediction is correct, by its predicted probability. Unknown labels are ignored."""

from typing import Any

import numpy as np

from keras_sister.schema import Schema

BINS = 10
"""Bins of the predicted probability: [0, 0.1), …, [0.9, 1]."""


def probability_of(schema: Schema, logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The predicted probability of one class of each photo and attribute.

    Args:
        schema: attributes and classes.
        logits: float array, shape (photos, schema.n_logits).
        classes: int array, shape (photos, attributes): class indices, such as those of `Schema.predict`.

    Returns:
        float array, shape (photos, attributes), in [0, 1].
    """
    columns = []
    for i, probabilities in enumerate(schema.probabilities(logits).values()):
        if probabilities.ndim == 1:
            columns.append(np.where(classes[:, i] == 1, probabilities, 1 - probabilities))
        else:
            columns.append(np.take_along_axis(probabilities, classes[:, [i]], axis=1)[:, 0])
    return np.stack(columns, axis=1).astype(np.float64)


def reliability(probabilities: np.ndarray, correct: np.ndarray) -> dict[str, Any]:
    """Compare predicted probabilities with how often the predictions are correct.

    Args:
        probabilities: float array, shape (predictions,), in [0, 1]: of the predicted class.
        correct: bool array, shape (predictions,).

    Returns:
        ``bins``: of those with predictions ``low`` and ``high``, their limits, ``photos``, ``probability``, the mean,
        and ``accuracy``; ``error``, the expected calibration error (Guo, Pleiss, Sun and Weinberger, "On Calibration of
        Modern Neural Networks", 2017): the mean distance of the two, weighted by photos; None without predictions.

    Example:
        >>> reliability(np.array([0.9, 0.9, 0.7, 0.7]), np.array([True, True, True, False]))["error"]
        0.15
    """
    bin_of = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    bins = [
        {
            "low": number / BINS,
            "high": (number + 1) / BINS,
            "photos": int((bin_of == number).sum()),
            "probability": float(probabilities[bin_of == number].mean()),
            "accuracy": float(correct[bin_of == number].mean()),
        }
        for number in np.unique(bin_of).tolist()
    ]
    gaps = [bin["photos"] * abs(bin["accuracy"] - bin["probability"]) for bin in bins]
    return {"bins": bins, "error": sum(gaps) / len(probabilities) if bins else None}
