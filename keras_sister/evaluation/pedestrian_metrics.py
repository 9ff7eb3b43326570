"""The metrics of pedestrian attribute recognition, as its papers and their code compute them.

They are defined for binary attributes. With y the known positive labels of a photo and p its predicted positives:

    mA                  mean over attributes of (TP / P + TN / N) / 2
    instance accuracy   mean over photos of |y ∩ p| / |y ∪ p|
    instance precision  mean over photos of |y ∩ p| / |p|
    instance recall     mean over photos of |y ∩ p| / |y|
    instance F1         2 · precision · recall / (precision + recall), of the two means above

Source: Li, Zhang, Chen, Ling and Huang, "A Richly Annotated Dataset for Pedestrian Attribute Recognition" (2016,
arXiv:1603.07054), equations 4 and 5. As in the field's code, a quotient 0 / 0 of a photo counts 0.
"""

import numpy as np

from keras_sister.schema import UNKNOWN, Schema


def pedestrian_metrics(schema: Schema, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float] | None:
    """Compute mA and the instance-based metrics.

    Args:
        schema: attributes and classes.
        labels: int array, shape (photos, attributes), −1 = unknown. Predictions for an unknown label do not count, and
            a photo without a known label counts nowhere.
        predicted: int array of the same shape, see `Schema.predict`.

    Returns:
        Numbers in [0, 1]: ``mean_accuracy`` (mA), ``instance_accuracy``, ``instance_precision``, ``instance_recall``
        and ``instance_f1``. A class that no known label has is left out of mA, which is undefined there. None for a
        schema with an attribute of three or more classes, and without a known label.

    Example:
        >>> pedestrian_metrics(schema, np.array([[1, 1], [0, 1]]), np.array([[1, 0], [0, 1]]))["instance_recall"]
        0.75
    """
    known = labels != UNKNOWN
    if not all(attribute.is_binary for attribute in schema) or not known.any():
        return None
    seen = known.any(axis=1)
    truth, decided = (known & (values == 1) for values in (labels, predicted))
    hits, either = (truth & decided)[seen].sum(axis=1), (truth | decided)[seen].sum(axis=1)
    precision = _mean_quotient(hits, decided[seen].sum(axis=1))
    recall = _mean_quotient(hits, truth[seen].sum(axis=1))
    return {
        "mean_accuracy": _mean_accuracy(labels, predicted, known),
        "instance_accuracy": _mean_quotient(hits, either),
        "instance_precision": precision,
        "instance_recall": recall,
        "instance_f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }


def _mean_quotient(hits: np.ndarray, of: np.ndarray) -> float:
    return float(np.mean(hits / np.maximum(of, 1)))


def _mean_accuracy(labels: np.ndarray, predicted: np.ndarray, known: np.ndarray) -> float:
    means = []
    for truth, decided, k in zip(labels.T, predicted.T, known.T, strict=True):
        recalls = [np.mean(decided[truth == value] == value) for value in (0, 1) if (truth[k] == value).any()]
        means += [np.mean(recalls)] if recalls else []
    return float(np.mean(means))
