"""Intervals of the accuracy of each attribute."""

import numpy as np
import scipy

from keras_sister.evaluation.paired import sum_by_group


def accuracy_intervals(
    known: np.ndarray, correct: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0, resamples: int = 2000
) -> np.ndarray:
    """95 % intervals of the attributes' accuracies.

    Wilson's score interval where photos are independent; with groups the percentile interval of the cluster bootstrap,
    as in `keras_sister.evaluation.paired.bootstrap_macc`.

    Args:
        known: bool array, shape (photos, attributes): known labels.
        correct: bool array of the same shape: correct predictions.
        groups: array, shape (photos,): the group of each photo; None if photos are independent.
        seed: random seed of the bootstrap.
        resamples: its number of resamples.

    Returns:
        float array, shape (attributes, 2): low and high, in [0, 1]; NaN for an attribute without a known label.

    Example:
        >>> accuracy_intervals(np.ones((10, 1), bool), np.arange(10)[:, None] < 8).round(2)
        array([[0.49, 0.94]])
    """
    correct = correct & known
    if groups is None:
        return np.array([_wilson(int(k.sum()), int(c.sum())) for k, c in zip(known.T, correct.T, strict=True)])
    totals, hits = (sum_by_group(values.astype(np.float64), groups) for values in (known, correct))
    units = len(totals)
    counts = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)
    drawn, right = counts @ totals, counts @ hits
    intervals = np.full((known.shape[1], 2), np.nan)
    for i, (of, n) in enumerate(zip(right.T, drawn.T, strict=True)):
        if (n > 0).any():
            intervals[i] = np.percentile(of[n > 0] / n[n > 0], [2.5, 97.5])
    return intervals


def _wilson(known: int, correct: int) -> tuple[float, float]:
    if not known:
        return np.nan, np.nan
    interval = scipy.stats.binomtest(correct, known).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
