"""Attribute metrics beside MACC, from out-of-fold predictions. Unknown labels are ignored.

For scores over *labels*, a binary attribute is one label, its positive class, and an attribute of k classes is k
labels: 36 for DCSA.
"""

from typing import Any

import numpy as np
from sklearn import metrics

from keras_sister.evaluation.pedestrian_metrics import pedestrian_metrics
from keras_sister.evaluation.scores import accuracies, macc
from keras_sister.schema import Attribute, Schema


def attribute_metrics(schema: Schema, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """Compute the usual metrics of multi-attribute predictions.

    Args:
        schema: attributes and classes.
        labels: int array, shape (photos, attributes), −1 = unknown.
        logits: float array, shape (photos, schema.n_logits).

    Returns:
        Numbers in [0, 1]:

        - ``macc``: mean of the attributes' accuracies;
        - ``balanced_accuracy``: mean of the attributes' balanced accuracies, the *mA* of pedestrian attributes;
        - ``pedestrian``: see `keras_sister.evaluation.pedestrian_metrics.pedestrian_metrics`; None unless all
          attributes are binary;
        - ``f1``: ``macro``, mean over labels; ``micro``, over all decisions; ``instance``, mean over photos; a label
          or photo without true and predicted positives counts 0;
        - ``mean_average_precision``: mean of the labels' average precisions;
        - ``hamming_loss``: share of wrong decisions on known labels;
        - ``attributes``: by name ``known`` (photos), ``accuracy``, ``balanced_accuracy`` (mean recall of the classes
          that occur), ``f1`` and ``average_precision`` (means over the attribute's labels), and ``confusion``, counts
          by true class (rows) and predicted class. Scores are None where no label is known, average precision also
          where no label has a positive.

    Example:
        >>> scores = attribute_metrics(run.schema, run.labels, run.logits)
        >>> scores["attributes"]["scarf"]["confusion"]
        [[1480, 21], [102, 96]]
    """
    predicted, probabilities = schema.predict(logits), schema.probabilities(logits)
    scores = accuracies(schema, labels, predicted)
    truth, decided, confident, known = (
        np.concatenate(columns, axis=1)
        for columns in zip(
            *(
                (
                    _indicators(attribute, labels[:, i]),
                    _indicators(attribute, predicted[:, i]),
                    probabilities[attribute.name].reshape(len(labels), -1),
                    np.repeat(labels[:, [i]] >= 0, attribute.n_logits, axis=1),
                )
                for i, attribute in enumerate(schema)
            ),
            strict=True,
        )
    )
    decided &= known  # `truth` is already false there; a negative in both counts for no F1
    # scikit-learn takes a single column for two classes; a label that never occurs changes no score but the macro mean.
    both = [np.pad(columns, ((0, 0), (0, 1))) for columns in (truth, decided)]
    seen = known.any(axis=1)  # a photo without a known label has no F1
    f1 = metrics.f1_score(*both, average=None, zero_division=0)[:-1]
    precision = [_average_precision(truth[k, j], confident[k, j]) for j, k in enumerate(known.T)]
    attributes = {}
    for i, (name, columns) in enumerate(schema.logit_slices.items()):
        k = labels[:, i] >= 0
        classes = range(len(schema.attributes[i].classes))
        confusion = metrics.confusion_matrix(labels[k, i], predicted[k, i], labels=classes) if k.any() else None
        attributes[name] = {
            "known": int(k.sum()),
            "accuracy": scores.get(name),
            "balanced_accuracy": None if confusion is None else _mean_recall(confusion),
            "f1": None if confusion is None else float(np.mean(f1[columns])),
            "average_precision": _mean_of_known(precision[columns]),
            "confusion": None if confusion is None else confusion.tolist(),
        }
    return {
        "macc": macc(scores),
        "pedestrian": pedestrian_metrics(schema, labels, predicted),
        "balanced_accuracy": _mean_of_known([a["balanced_accuracy"] for a in attributes.values()]),
        "f1": {
            "macro": float(np.mean(f1[known.any(axis=0)])),
            "micro": float(metrics.f1_score(*both, average="micro", zero_division=0)),
            "instance": float(metrics.f1_score(*(b[seen] for b in both), average="samples", zero_division=0)),
        },
        "mean_average_precision": _mean_of_known(precision),
        "hamming_loss": float(np.mean(truth[known] != decided[known])),
        "attributes": attributes,
    }


def _indicators(attribute: Attribute, classes: np.ndarray) -> np.ndarray:
    """Positive labels of an attribute: bool array, shape (photos, n_logits)."""
    positives = [1] if attribute.is_binary else range(attribute.n_logits)
    return classes[:, None] == np.array(positives)


def _average_precision(truth: np.ndarray, scores: np.ndarray) -> float | None:
    return float(metrics.average_precision_score(truth, scores)) if truth.any() else None


def _mean_recall(confusion: np.ndarray) -> float:
    occurs = confusion.sum(axis=1) > 0
    return float(np.mean(confusion.diagonal()[occurs] / confusion.sum(axis=1)[occurs]))


def _mean_of_known(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else None
