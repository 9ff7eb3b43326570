"""Stratified cross-validation folds, as index arrays."""

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from keras_sister.errors import InputError
from keras_sister.schema import Schema

INNER_FOLDS = 8
"""One of this many parts of a fold's training photos is the validation split."""


def stratified_folds(labels: np.ndarray, schema: Schema, *, folds: int, seed: int) -> list[np.ndarray]:
    """Split photos into folds with nearly equal shares of every class of every attribute.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011) over
    one column per class; an unknown label is in none of its attribute's columns. The paper does not say how its folds
    were made.

    Args:
        labels: array of numbers, shape (photos, attributes), see `Schema.check_labels`.
        schema: attributes and classes.
        folds: number of folds, from 2 to the number of photos. Their sizes differ slightly.
        seed: random seed; the same seed gives the same folds.

    Returns:
        The photos of each fold: `folds` sorted index arrays that together contain each photo once.

    Raises:
        InputError: if there are fewer photos than folds.

    Example:
        >>> folds = stratified_folds(dataset.labels, dataset.schema, folds=16, seed=0)
        >>> sum(len(fold) for fold in folds) == len(dataset)
        True
    """
    if len(labels) < folds:
        raise InputError(f"{folds} folds need at least {folds} photos; there are {len(labels)}. Give fewer --folds.")
    labels = schema.check_labels(labels)
    known = [labels[:, [i]] == np.arange(len(a.classes)) for i, a in enumerate(schema)]
    splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    # The column of ones also spreads photos without known labels evenly.
    columns = np.concatenate([*known, np.ones((len(labels), 1), bool)], axis=1).astype(int)
    drawn = [np.sort(test) for _, test in splitter.split(columns, columns)]
    if any(len(fold) == 0 for fold in drawn):
        raise InputError(f"{len(labels)} photos are too few for {folds} folds. Give fewer --folds.")
    return drawn


def inner_split(labels: np.ndarray, schema: Schema, rows: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a fold's training photos into training and validation; the validation split selects the best epoch.

    Args:
        labels: the same for all photos.
        schema: attributes and classes.
        rows: the fold's training photos, indices into `labels`; at least 2.
        seed: random seed; the same seed gives the same split.

    Returns:
        Training rows and validation rows: disjoint, together `rows`.
    """
    # With fewer photos than two for each part, a part could stay empty.
    parts = stratified_folds(labels[rows], schema, folds=min(INNER_FOLDS, max(2, len(rows) // 2)), seed=seed)
    return np.setdiff1d(rows, rows[parts[0]]), rows[parts[0]]
