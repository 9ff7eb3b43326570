"""Paired statistics for two classifiers on the same photos and folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

_COUNTS_AT_ONCE = 1_000_000  # 8 MB an array


@dataclass(frozen=True)
class Difference:
    """An estimate with its 95 % confidence interval and, if the method has one, a two-sided p-value."""

    estimate: float
    low: float
    high: float
    p: float | None = None


def corrected_t_test(differences: np.ndarray, *, test_share: float) -> Difference:
    """Corrected resampled t-test for the scores of two systems on the same folds.

    Training sets of different folds overlap, so the folds' differences are not independent and the plain t-test rejects
    too often. The variance is therefore multiplied by ``1/k + test/train`` instead of ``1/k``
    (Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003).

    If cross-validation was repeated with other folds, k counts the folds of all repetitions (Bouckaert and Frank,
    "Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms", PAKDD 2004).

    Args:
        differences: float array, shape (k,): score of one system minus that of the other, by fold; k ≥ 2.
        test_share: test photos divided by training photos of a fold: 1/15 for 16 folds.

    Returns:
        The mean difference; if all differences are equal, the interval is that value and p is 1 for 0, else 0.
    """
    k = len(differences)
    mean = float(np.mean(differences))
    error = float(np.sqrt((1 / k + test_share) * np.var(differences, ddof=1)))
    if error == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    reach = float(scipy.stats.t.ppf(0.975, k - 1)) * error
    return Difference(mean, mean - reach, mean + reach, float(2 * scipy.stats.t.sf(abs(mean) / error, k - 1)))


def sign_test(first: np.ndarray, second: np.ndarray, *, groups: np.ndarray | None = None) -> float:
    """Sign test by photo for two classifiers on the same photos; by group if photos of one group are not independent.

    With one run each this is McNemar's exact test; with several runs a photo still counts once.

    Args:
        first: bool or float array, shape (photos,): share of the first one's runs that were correct.
        second: the same for the second.
        groups: array, shape (photos,); a group counts once, for the classifier that was correct on more of its photos.

    Returns:
        Two-sided p-value of the binomial test over the photos, or groups, on which the two differ; 1 if there are none.
    """
    if groups is not None:
        first, second = (sum_by_group(np.asarray(x, np.float64)[:, None], groups)[:, 0] for x in (first, second))
    only_first, only_second = int((first > second).sum()), int((first < second).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(scipy.stats.binomtest(only_first, only_first + only_second).pvalue)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction for several tests at once (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: float array, shape (tests,).

    Returns:
        Adjusted p-values of the same shape, to be compared with the level of the whole family.
    """
    order = np.argsort(p_values)
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(scaled)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


def shown_p(p: float) -> str:
    """A p-value as tables show it: with three digits, and no number that would read as zero.

    Example:
        >>> shown_p(0.0312), shown_p(2e-9)
        ('0.031', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def bootstrap_macc(
    known: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = 10_000,
) -> Difference:
    """Paired bootstrap of the MACC difference of two classifiers.

    A photo is drawn with all its attributes and both predictions, so the interval accounts for the correlation of
    attributes and classifiers. It measures the variation due to the photos, not that due to training. With groups,
    whole groups are drawn (the cluster bootstrap; Field and Welsh, "Bootstrapping Clustered Data", 2007): several
    photos of one product say less than as many products.

    Args:
        known: bool array, shape (photos, attributes): known labels.
        first: bool or float array of the same shape: share of the first classifier's runs that were correct.
        second: the same for the second classifier.
        groups: array, shape (photos,): the group of each photo; None if photos are independent.
        seed: random seed of the resampling.
        resamples: number of resamples.

    Returns:
        MACC of `first` minus MACC of `second` over all photos, with the percentile interval; no p-value.
    """
    return bootstrap_gains(
        known, [np.subtract(first, second, dtype=np.float64)], groups=groups, seed=seed, resamples=resamples
    )[0]


def bootstrap_gains(
    known: np.ndarray,
    gains: Sequence[np.ndarray],
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = 10_000,
) -> list[Difference]:
    """`bootstrap_macc` of several quantities on the same resamples.

    Args:
        known: bool array, shape (photos, attributes), at least one of them true.
        gains: float arrays of that shape; each is averaged over an attribute's known labels, then over attributes.
        groups, seed, resamples: see `bootstrap_macc`.

    Returns:
        The average of each over all photos, with the percentile interval; no p-value.
    """
    summed = [np.where(known, gain, 0.0) for gain in gains]
    if groups is not None:
        summed = [sum_by_group(gain, groups) for gain in summed]
        known = sum_by_group(known.astype(np.float64), groups)
    labelled = known.any(axis=1)  # others would leave some resamples without any accuracy
    summed, known = [gain[labelled] for gain in summed], known[labelled]
    units = len(known)
    rng = np.random.default_rng(seed)
    drawn: list[list[np.ndarray]] = [[] for _ in gains]
    at_once = max(1, _COUNTS_AT_ONCE // units)
    for start in range(0, resamples, at_once):
        counts = _counts_drawn(rng, min(at_once, resamples - start), units)
        totals = counts @ known
        for values, gain in zip(drawn, summed, strict=True):
            values.append(_macc(counts @ gain, totals))
    found = []
    for values, gain in zip(drawn, summed, strict=True):
        low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
        found.append(Difference(float(_macc(gain.sum(axis=0), known.sum(axis=0))), float(low), float(high)))
    return found


def _counts_drawn(rng: np.random.Generator, resamples: int, units: int) -> np.ndarray:
    """Count how often each resample drew each unit: float array (resamples, units)."""
    drawn = rng.integers(units, size=(resamples, units))
    drawn += units * np.arange(resamples)[:, None]  # each resample counts for itself
    counts = np.bincount(drawn.ravel(), minlength=resamples * units)
    return counts.reshape(resamples, units).astype(np.float64)


def sum_by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sum the rows of each group: float array (photos, columns) to (groups, columns), in the order of sorted groups."""
    names, group_of = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, group_of, values)
    return sums


def _macc(hits: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean over the attributes that have a known label, along the last axis."""
    with np.errstate(invalid="ignore"):
        return np.nanmean(np.where(known > 0, hits / np.maximum(known, 1), np.nan), axis=-1)
