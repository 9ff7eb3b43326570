"""Folds that keep groups whole, such as all photos of one product, stratified as well as the groups allow.

Neither scikit-learn (`StratifiedGroupKFold` takes one label a photo) nor iterative-stratification (no groups) has this.
The method is that of `StratifiedGroupKFold` with the counts of all label columns in place of those of one label.
"""

import numpy as np

from keras_sister.errors import InputError

_SIZE_WEIGHT = 4.0
"""Equal numbers of photos matter as much as equal shares of this many classes."""


def folds_of_groups(columns: np.ndarray, groups: np.ndarray, *, folds: int, seed: int) -> list[np.ndarray]:
    """Assign whole groups to folds.

    Groups are taken in the order of their largest share of any column, so that rare classes and large groups are placed
    while there is room. Each goes to the fold where the sum over columns of squared shares, Σ (n_fc / n_c)², grows
    least; that sum is smallest when every fold has the same share of every column.

    Args:
        columns: bool array, shape (photos, columns): whether a photo has a class; the last column is all true.
        groups: array, shape (photos,).
        folds: number of folds.
        seed: random seed of the order of equal groups, and of the choice between equal folds.

    Returns:
        The photos of each fold: `folds` sorted index arrays that together contain each photo once.

    Raises:
        InputError: if there are fewer groups than folds.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        raise InputError(f"All photos are in the group '{names[0]}'; folds of whole groups need two or more groups.")
    if len(names) < folds:
        raise InputError(f"{folds} folds need at least {folds} groups; there are {len(names)}. Give fewer --folds.")
    counts = np.zeros((len(names), columns.shape[1]))
    np.add.at(counts, group_of, columns)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    weights = np.ones(columns.shape[1])
    weights[-1] = _SIZE_WEIGHT
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(names))
    order = shuffled[np.argsort(-shares[shuffled].max(axis=1), kind="stable")]
    filled = np.zeros((folds, columns.shape[1]))
    fold_of_group = np.zeros(len(names), int)
    for group in order:
        growth = filled @ (weights * shares[group])  # half the growth of the sum, less what all folds have in common
        fold = int(rng.choice(np.flatnonzero(growth <= growth.min() + 1e-12)))
        filled[fold] += shares[group]
        fold_of_group[group] = fold
    return [np.flatnonzero(fold_of_group[group_of] == fold) for fold in range(folds)]
