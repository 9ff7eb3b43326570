"""Weights that balance the classes of an attribute, from the known labels of the training photos."""

import numpy as np

from keras_sister.schema import Schema


def balanced_class_weights(
    schema: Schema, labels: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, list[float]]:
    """Weights with which every class of an attribute that occurs has the same part in the loss.

    A class weighs ``known / (classes · count)``, as scikit-learn's ``class_weight="balanced"``: the mean weight of an
    attribute's known labels is 1, so that attributes keep their parts in the loss. Unknown labels do not count, and a
    class that does not occur weighs 1.

    Args:
        schema: attributes and classes.
        labels: array of numbers, shape (photos, attributes); NaN or any negative number is unknown.
        weights: a weight ≥ 0 for each photo, shape (photos,), by which its labels count; None for equal ones.

    Returns:
        By attribute a weight for each of its classes.

    Example:
        >>> balanced_class_weights(schema, np.array([[0], [0], [0], [1], [-1]]))
        {'scarf': [0.6666666666666666, 2.0]}
    """
    photo_weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    table = {}
    for attribute, column in zip(schema, np.asarray(labels).T, strict=True):
        known = column >= 0  # false for NaN
        counts = np.bincount(column[known].astype(int), weights=photo_weights[known], minlength=len(attribute.classes))
        occurs = counts > 0
        balanced = counts.sum() / (occurs.sum() * np.where(occurs, counts, 1.0)) if occurs.any() else counts
        table[attribute.name] = np.where(occurs, balanced, 1.0).tolist()
    return table
