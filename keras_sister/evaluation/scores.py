"""Accuracy and MACC of predicted classes. NumPy only, so that anyone with a run folder can recompute them."""

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import UNKNOWN, Schema


def accuracies(schema: Schema, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy of each attribute over the photos whose label is known.

    Args:
        schema: attributes and classes.
        labels: array of numbers, shape (photos, attributes): class indices; NaN or any negative number is unknown.
        predicted: int array of the same shape, see `Schema.predict`; not read where the label is unknown.

    Returns:
        By attribute name, in [0, 1]. Attributes without a known label are left out.

    Raises:
        InputError: for a label or a prediction that is not a class index, or another shape.

    Example:
        >>> accuracies(schema, np.array([[0], [1], [-1]]), np.array([[0], [0], [0]]))
        {'scarf': 0.5}
    """
    labels, predicted = schema.check_labels(labels), schema.check_labels(predicted)
    known = labels != UNKNOWN
    if len(labels) != len(predicted) or (known & (predicted == UNKNOWN)).any():
        raise InputError(
            f"Expected a predicted class for every known label, in an array of shape {labels.shape}."
            f" Received: shape={predicted.shape}, {int((predicted == UNKNOWN).sum())} of them negative or NaN."
        )
    correct = known & (labels == predicted)
    counts = zip(schema.names, correct.sum(axis=0), known.sum(axis=0), strict=True)
    return {name: float(hits / total) for name, hits, total in counts if total}


def macc(accuracies: dict[str, float]) -> float:
    """MACC, the paper's score: the unweighted mean of the attributes' accuracies.

    Raises:
        InputError: if there are none, because no label is known.
    """
    if not accuracies:
        raise InputError("No label is known, so there is no accuracy.")
    return float(np.mean(list(accuracies.values())))


def majority_classes(schema: Schema, labels: np.ndarray) -> np.ndarray:
    """The most frequent class of each attribute: the best constant prediction.

    Args:
        schema: attributes and classes.
        labels: as for `accuracies`.

    Returns:
        int32 array, shape (attributes,). Of equally frequent classes the first; class 0 if no label is known.
    """
    labels = schema.check_labels(labels)
    return np.array(
        [np.argmax((labels[:, [i]] == np.arange(len(a.classes))).sum(axis=0)) for i, a in enumerate(schema)], np.int32
    )
