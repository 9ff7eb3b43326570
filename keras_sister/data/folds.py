"""Stratified cross-validation folds, as index arrays."""

import numpy as np

from keras_sister.data.group_folds import folds_of_groups
from keras_sister.errors import InputError, counted
from keras_sister.schema import Schema

INNER_FOLDS = 8
"""One of this many parts of a fold's training photos is the validation split."""


def stratified_folds(
    labels: np.ndarray, schema: Schema, *, folds: int, seed: int, groups: np.ndarray | None = None
) -> list[np.ndarray]:
    """Split photos into folds with nearly equal shares of every class of every attribute.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011) over
    one column per class; an unknown label is in none of its attribute's columns. The paper does not say how its folds
    were made. With groups, see `keras_sister.data.group_folds`.

    Args:
        labels: array of numbers, shape (photos, attributes), see `Schema.check_labels`.
        schema: attributes and classes.
        folds: number of folds, from 2 to the number of photos. Their sizes differ slightly.
        seed: random seed; the same seed gives the same folds.
        groups: array, shape (photos,): photos of one group stay in one fold. None if every photo stands alone.

    Returns:
        The photos of each fold: `folds` sorted index arrays that together contain each photo once.

    Raises:
        InputError: if there are fewer photos, or groups, than folds.

    Example:
        >>> folds = stratified_folds(dataset.labels, dataset.schema, folds=16, seed=0)
        >>> sum(len(fold) for fold in folds) == len(dataset)
        True
    """
    if len(labels) < folds:
        raise InputError(f"{folds} folds need at least {folds} photos; there are {len(labels)}. Give fewer --folds.")
    labels = schema.check_labels(labels)
    known = [labels[:, [i]] == np.arange(len(a.classes)) for i, a in enumerate(schema)]
    # The column of ones also spreads photos without known labels evenly.
    columns = np.concatenate([*known, np.ones((len(labels), 1), bool)], axis=1)
    if groups is not None:
        return folds_of_groups(columns, groups, folds=folds, seed=seed)
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold  # whose scikit-learn takes a second to import

    splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    drawn = [np.sort(test) for _, test in splitter.split(columns, columns)]
    if any(len(fold) == 0 for fold in drawn):
        raise InputError(f"{counted(len(labels), 'photo')}: too few for {folds} folds. Give fewer --folds.")
    return drawn


def inner_split(
    labels: np.ndarray,
    schema: Schema,
    rows: np.ndarray,
    *,
    seed: int,
    groups: np.ndarray | None = None,
    split: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split a fold's training photos into training and validation; the validation split selects the best epoch.

    Args:
        labels: labels of all photos, see `stratified_folds`.
        schema: attributes and classes.
        rows: the fold's training photos, indices into `labels`; at least 2.
        seed: random seed; the same seed gives the same split.
        groups: array, shape (photos,), of all photos: a group is not split. None if every photo stands alone.
        split: array, shape (photos,), of an official split that is to be used: its ``val`` photos are the validation
            split, if there are any.

    Returns:
        Training rows and validation rows: disjoint, together `rows`.

    Raises:
        InputError: if the training photos are all of one group.
    """
    if split is not None and (split[rows] == "val").any():
        return rows[split[rows] != "val"], rows[split[rows] == "val"]
    ours = None if groups is None else groups[rows]
    units = len(rows) if ours is None else len(np.unique(ours))
    if units < 2:
        raise InputError(f"{units} group of training photos cannot be split for validation. Give more --folds.")
    # With fewer photos than two for each part, a part could stay empty.
    parts = stratified_folds(labels[rows], schema, folds=min(INNER_FOLDS, max(2, units // 2)), seed=seed, groups=ours)
    return np.setdiff1d(rows, rows[parts[0]]), rows[parts[0]]


def official_test(split: np.ndarray | None, groups: np.ndarray | None) -> np.ndarray:
    """The test photos of an official split, as the only fold.

    Args:
        split: array of ``train``, ``val`` and ``test``, shape (photos,); None if the dataset has none.
        groups: array, shape (photos,), or None.

    Raises:
        InputError: if there is no split, if it has no test or no training photos, or if it tears a group.
    """
    if split is None:
        raise InputError("The dataset has no official split: name its column with 'split:' in the dataset file.")
    for part in ("test", "train"):
        if not (split == part).any():
            raise InputError(f"The official split of the dataset has no {part} photos.")
    test = split == "test"
    torn = set() if groups is None else set(groups[test]) & set(groups[~test])
    if torn:
        raise InputError(
            f"The official split has photos of group '{min(torn)}' in training and test ({len(torn)} groups)."
        )
    return np.flatnonzero(test)


def check_trainable(labels: np.ndarray, weights: np.ndarray | None, name: str) -> None:
    """Check that there is something to learn from photos.

    Args:
        labels: int array (photos, attributes), −1 = unknown.
        weights: the weight of each photo in the loss, (photos,); None for equal weights.
        name: the fold's name, for errors.

    Raises:
        InputError: if no label is known, or only labels of photos with the weight 0.
    """
    known = (labels >= 0).any(axis=1)
    if not known.any():
        raise InputError(f"{name}: no label of its training photos is known; too few known labels for these folds.")
    if weights is not None and not weights[known].any():
        raise InputError(f"{name}: all of its training photos with a known label have the weight 0.")
