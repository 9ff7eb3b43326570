"""Cross-validation folds: index arrays, drawn from the labels alone."""

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from keras_sister.errors import InputError
from keras_sister.schema import Schema

INNER_FOLDS = 8
"""The share of a fold's training photos on which its epoch is picked is one of this many parts."""


def stratified_folds(labels: np.ndarray, schema: Schema, *, folds: int, seed: int) -> list[np.ndarray]:
    """Divide photos into folds that have nearly the same share of every class of every attribute.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011) over
    one column a class; an unknown label stands in none of its attribute's columns. The paper does not say how it draws
    its folds.

    Args:
        labels: int8 array, shape (photos, attributes), −1 = unknown.
        schema: of the labels.
        folds: how many, from 2 to the number of photos. Their sizes differ a little: shares come before sizes.
        seed: the same seed gives the same folds.

    Returns:
        The photos of each fold: `folds` sorted index arrays that together hold each photo once.

    Raises:
        InputError: if there are fewer photos than folds.

    Example:
        >>> folds = stratified_folds(dataset.labels, dataset.schema, folds=16, seed=0)
        >>> sum(len(fold) for fold in folds) == len(dataset)
        True
    """
    if len(labels) < folds:
        raise InputError(f"{folds} folds need at least {folds} photos; there are {len(labels)}. Give fewer --folds.")
    known = [labels[:, [i]] == np.arange(len(a.classes)) for i, a in enumerate(schema)]
    splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    # The column of ones lets photos without a single known label be spread evenly, too.
    columns = np.concatenate([*known, np.ones((len(labels), 1), bool)], axis=1).astype(int)
    drawn = [np.sort(test) for _, test in splitter.split(columns, columns)]
    if any(len(fold) == 0 for fold in drawn):
        raise InputError(f"{len(labels)} photos are too few for {folds} folds. Give fewer --folds.")
    return drawn


def inner_split(labels: np.ndarray, schema: Schema, rows: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Set aside an eighth of a fold's training photos, on which its epoch is picked.

    Args:
        labels: int8 array, shape (photos, attributes), of all photos.
        schema: of the labels.
        rows: the fold's training photos, indices into `labels`; at least 2.
        seed: the same seed gives the same split.

    Returns:
        The rows to train on and the rows to pick the epoch on: disjoint, together `rows`.
    """
    parts = stratified_folds(labels[rows], schema, folds=min(INNER_FOLDS, len(rows)), seed=seed)
    return np.setdiff1d(rows, rows[parts[0]]), rows[parts[0]]
