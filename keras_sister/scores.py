"""Scores of saved predictions. NumPy only: whoever holds a run folder can recompute them."""

import numpy as np

from keras_sister.schema import UNKNOWN, Schema


def accuracies(schema: Schema, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The share of right answers for each attribute, over the photos whose label is known.

    Args:
        schema: of the labels.
        labels: int array, shape (photos, attributes), −1 = unknown.
        predicted: int array of the same shape, such as `Schema.predict` gives.

    Returns:
        By attribute name, in [0, 1]. Attributes without a known label are left out.

    Example:
        >>> accuracies(schema, np.array([[0], [1], [-1]]), np.array([[0], [0], [0]]))
        {'scarf': 0.5}
    """
    known = labels != UNKNOWN
    right = known & (labels == predicted)
    counts = zip(schema.names, right.sum(axis=0), known.sum(axis=0), strict=True)
    return {name: float(hits / of) for name, hits, of in counts if of}


def macc(accuracies: dict[str, float]) -> float:
    """MACC, the paper's score: the unweighted mean of the attributes' accuracies."""
    return float(np.mean(list(accuracies.values())))


def majority(schema: Schema, labels: np.ndarray) -> np.ndarray:
    """The most frequent class of each attribute: what to answer without looking at the photo.

    Args:
        schema: of the labels.
        labels: int array, shape (photos, attributes), −1 = unknown.

    Returns:
        int8 array, shape (attributes,). Of equally frequent classes the first; class 0 where nothing is known.
    """
    return np.array(
        [np.argmax((labels[:, [i]] == np.arange(len(a.classes))).sum(axis=0)) for i, a in enumerate(schema)], np.int8
    )
