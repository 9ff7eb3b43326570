"""Temperature calibration: probabilities that say how often a prediction is correct. Unknown labels are ignored.

Chuan Guo, Geoff Pleiss, Yu Sun, Kilian Q. Weinberger: "On Calibration of Modern Neural Networks" (2017,
arXiv:1706.04599). An attribute's logits are divided by its temperature before the sigmoid or softmax.
"""

import numpy as np
from scipy import optimize, special

from keras_sister.schema import Attribute

LIMITS = (0.05, 20.0)
"""Lowest and highest temperature."""


def class_scores(attribute: Attribute, logits: np.ndarray) -> np.ndarray:
    """The logits of an attribute as one score for each class: float array, shape (photos, classes).

    The positive class of a binary attribute has the logit, the negative class 0: the softmax is then the sigmoid.
    """
    return np.pad(logits, ((0, 0), (1, 0))) if attribute.is_binary else logits


def calibrated(attribute: Attribute, logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated probability of each class: float array, shape (photos, classes).

    Args:
        attribute: the attribute.
        logits: float array, shape (photos, attribute.n_logits).
        temperature: see `fit_temperature`; 1 gives the model's own probabilities.
    """
    return special.softmax(class_scores(attribute, logits) / temperature, axis=1)


def fit_temperature(attribute: Attribute, labels: np.ndarray, logits: np.ndarray) -> float:
    """The temperature under which the known labels are likeliest, pulled towards 1 where they are few.

    It minimises the sum of the negative log-likelihoods of the known labels, plus ``log(temperature) ** 2 / 2``, a
    log-normal prior around 1, which decides where labels are few or all predictions are correct.

    Args:
        attribute: the attribute.
        labels: int array, shape (photos,): class indices, negative = unknown.
        logits: float array, shape (photos, attribute.n_logits).

    Returns:
        A number within `LIMITS`: above 1 where the model is too sure; 1 without a known label.
    """
    known = labels >= 0
    scores = class_scores(attribute, logits[known])
    truth = np.take_along_axis(scores, labels[known, None], axis=1)[:, 0]

    def slope(log_scale: float) -> float:
        """Derivative by the logarithm of 1 / temperature."""
        scale = np.exp(log_scale)
        expected = (special.softmax(scale * scores, axis=1) * scores).sum(axis=1)
        return float(scale * (expected - truth).sum() + log_scale)

    lowest, highest = -np.log(LIMITS[1]), -np.log(LIMITS[0])
    if slope(lowest) >= 0:
        return LIMITS[1]
    if slope(highest) <= 0:
        return LIMITS[0]
    return float(np.exp(-optimize.brentq(slope, lowest, highest, xtol=1e-12)))
