"""The thresholds of a run inside an export's graph, and the comparison of both."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.evaluation.calibration import calibrated
from keras_sister.evaluation.decisions import NOT_SURE, DecisionRule, Rules, decide, minima
from keras_sister.schema import Attribute, Schema
from keras_sister.serving.predictions import CONFIDENCE, DECISIONS


def decision_outputs(schema: Schema, rules: Rules, logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """`keras_sister.evaluation.decisions.decide` in TensorFlow.

    Args:
        schema: attributes and classes.
        rules: by attribute name.
        logits: float32, shape (batch, schema.n_logits).

    Returns:
        ``decisions``, int32 (batch, attributes): class indices, −1 = not sure; ``confidence``, float32 (batch,
        attributes), in [0, 1]: the calibrated probability of the class decided for, or of the candidate.
    """
    decisions, confidence = [], []
    for attribute, columns in zip(schema, schema.logit_slices.values(), strict=True):
        rule = rules[attribute.name]
        scores = logits[:, columns] / rule.temperature
        if attribute.is_binary:
            positive, negative = tf.sigmoid(scores[:, 0]), tf.sigmoid(-scores[:, 0])
            is_positive = positive >= rule.threshold
            candidate, found = tf.cast(is_positive, tf.int32), tf.where(is_positive, positive, negative)
        else:
            probabilities = tf.nn.softmax(scores)
            candidate = tf.argmax(probabilities, axis=1, output_type=tf.int32)
            found = tf.reduce_max(probabilities, axis=1)
        lowest = tf.gather(tf.constant(minima(attribute, rule), tf.float32), candidate)
        decisions.append(tf.where(found >= lowest, candidate, NOT_SURE))
        confidence.append(found)
    return {DECISIONS: tf.stack(decisions, axis=1), CONFIDENCE: tf.stack(confidence, axis=1)}


def compare_decisions(
    found: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray], schema: Schema, rules: Rules, tolerance: float
) -> list[float]:
    """Compare the outputs of an export with decisions computed in NumPy from the Keras model's logits.

    A decision that a change of a probability by at most `tolerance` would turn is not compared.

    Args:
        found: outputs of the export, as ``<signature>/<output>``.
        logits: the model's logits by signature: float arrays (photos, schema.n_logits).
        schema, rules: what the export was made from.
        tolerance: largest allowed difference of a probability.

    Returns:
        For each signature the largest difference of a confidence.

    Raises:
        InputError: if a decision differs, naming signature and attribute.
    """
    differences = []
    for signature, of_photos in logits.items():
        decisions, confidence = decide(schema, rules, of_photos)
        clear = np.stack(
            [
                _margin(a, rules[a.name], of_photos[:, c])
                for a, c in zip(schema, schema.logit_slices.values(), strict=True)
            ],
            axis=1,
        )
        clear = clear > tolerance
        wrong = (found[f"{signature}/{DECISIONS}"] != decisions) & clear
        if wrong.any():
            name = schema.names[int(np.argwhere(wrong)[0, 1])]
            raise InputError(f"The export's {signature} decides '{name}' otherwise than its thresholds.")
        difference = np.abs(found[f"{signature}/{CONFIDENCE}"] - confidence)
        differences.append(float(np.max(difference, where=clear, initial=0)))
    return differences


def _margin(attribute: Attribute, rule: DecisionRule, logits: np.ndarray) -> np.ndarray:
    """By how much a probability must change at least to change the decision: float array, shape (photos,)."""
    probabilities = calibrated(attribute, logits.astype(np.float64), rule.temperature)
    if rule.threshold is not None:
        to_other_class = np.abs(probabilities[:, 1] - rule.threshold)
    else:
        ordered = np.sort(probabilities, axis=1)
        to_other_class = (ordered[:, -1] - ordered[:, -2]) / 2
    return np.minimum(to_other_class, np.abs(probabilities - minima(attribute, rule)).min(axis=1))
