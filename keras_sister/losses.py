"""The loss for binary and multi-class attributes with unknown labels: cross-entropy, focal or asymmetric."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_sister.config import GAMMAS, LOSSES
from keras_sister.errors import InputError, check_choice
from keras_sister.labels import read_batch, read_weights
from keras_sister.schema import Schema

_LEAST = 1e-7
"""What the probability of a mistake counts as at least, so that no power of it has an infinite gradient."""


def label_losses(
    schema: Schema,
    labels: Any,
    logits: Any,
    *,
    loss: str = "cross_entropy",
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
    class_weights: Any = None,
) -> Any:
    """The loss of every label, not reduced. All arguments may have more axes in front, such as one of folds.

    With p the probability of a class, t its target (1 for the labelled class; with smoothing s, ``1 − s + s / k`` for
    it and ``s / k`` for each of the k − 1 others), the loss of a label is the sum of ``−t (1 − p)^g log p`` over the k
    classes of its attribute, times the weight of the labelled class. A binary attribute has two classes. The exponent g
    is

    - 0 for ``cross_entropy``;
    - `gamma` for ``focal``: labels that are predicted well count for less (Lin et al., "Focal Loss for Dense Object
      Detection", 2017, arXiv:1708.02002);
    - `gamma` for the negative class of a binary attribute and 0 elsewhere for ``asymmetric``: rare positives are not
      lost among easy negatives (Ridnik et al., "Asymmetric Loss For Multi-Label Classification", 2021,
      arXiv:2009.14119; without its probability margin).

    With `gamma` 0 all three are equal. Keras's focal losses clip probabilities at 1e-7, which takes the gradient from
    labels that are predicted quite wrongly; these compute from logits, and equal Keras's otherwise.

    Args:
        schema: attributes and classes.
        labels: int (…, attributes): class indices; any valid one where unknown, for the caller to leave out.
        logits: float (…, schema.n_logits).
        loss: one of `keras_sister.config.LOSSES`.
        gamma: at least 0; ``cross_entropy`` ignores it.
        label_smoothing: in [0, 1).
        class_weights: None, or float (…, attributes, classes): a weight for every class of every attribute, see
            `keras_sister.training.class_weights`; columns past an attribute's last class are not read.

    Returns:
        float32 (…, attributes); float64 for logits in float64.

    Example:
        >>> label_losses(DCSA, labels, logits, loss="focal", gamma=2.0).shape  # labels: (8, 26), logits: (8, 36)
        (8, 26)
    """
    gamma = 0.0 if loss == "cross_entropy" else gamma
    logits = keras.ops.convert_to_tensor(logits)
    if keras.backend.standardize_dtype(logits.dtype) != "float64":
        logits = keras.ops.cast(logits, "float32")
    binary = [i for i, attribute in enumerate(schema) if attribute.is_binary]
    losses: dict[int, Any] = {}
    if binary:
        starts = [schema.logit_slices[schema.names[i]].start for i in binary]
        found = _binary_losses(
            keras.ops.take(labels, binary, axis=-1),
            keras.ops.take(logits, starts, axis=-1),
            gamma=gamma,
            of_positive=loss != "asymmetric",
            smoothing=label_smoothing,
        )
        # At once: a slice of each would be most of the operations of a step.
        losses |= dict(zip(binary, keras.ops.unstack(found, len(binary), axis=-1), strict=True))
    for i, attribute in enumerate(schema):
        if not attribute.is_binary:
            scores = logits[..., schema.logit_slices[attribute.name]]
            focus = gamma if loss == "focal" else 0.0
            losses[i] = _multi_class_losses(labels[..., i], scores, gamma=focus, smoothing=label_smoothing)
    stacked = keras.ops.stack([losses[i] for i in range(len(schema))], axis=-1)
    return stacked if class_weights is None else stacked * _weights_of(labels, class_weights)


def _binary_losses(labels: Any, logits: Any, *, gamma: float, of_positive: bool, smoothing: float) -> Any:
    """The losses of binary attributes, one logit each: float32, of the shape of `logits`."""
    targets = keras.ops.cast(labels, logits.dtype) * (1 - smoothing) + smoothing / 2
    if not gamma:
        return keras.ops.binary_crossentropy(targets, logits, from_logits=True)
    # log p of the positive class is −softplus(−logit), and the other class's is log(1 − p)
    positive, negative = keras.ops.softplus(-logits), keras.ops.softplus(logits)
    focused = negative * _focus(-positive, gamma)
    return targets * (positive * _focus(-negative, gamma) if of_positive else positive) + (1 - targets) * focused


def _multi_class_losses(labels: Any, logits: Any, *, gamma: float, smoothing: float) -> Any:
    """The losses of one attribute of k classes: float32, of the shape of `labels`; `logits` has an axis of k more."""
    classes = logits.shape[-1]
    targets = keras.ops.one_hot(labels, classes, dtype=logits.dtype) * (1 - smoothing) + smoothing / classes
    if not gamma:
        return keras.ops.categorical_crossentropy(targets, logits, from_logits=True)
    log_p = keras.ops.log_softmax(logits, axis=-1)
    wrong = keras.ops.maximum(-keras.ops.expm1(log_p), _LEAST)  # 1 − p
    return -keras.ops.sum(targets * keras.ops.power(wrong, gamma) * log_p, axis=-1)


def _focus(log_wrong: Any, gamma: float) -> Any:
    """(1 − p)^gamma, from log(1 − p)."""
    return keras.ops.exp(gamma * log_wrong)


def _weights_of(labels: Any, class_weights: Any) -> Any:
    """The weight of each labelled class: float32 (…, attributes)."""
    weights = keras.ops.convert_to_tensor(class_weights, dtype="float32")
    return keras.ops.sum(keras.ops.one_hot(labels, weights.shape[-1], dtype="float32") * weights, axis=-1)


def class_weight_table(schema: Schema, class_weights: Mapping[str, Sequence[float]]) -> np.ndarray:
    """The weights that `label_losses` takes, from those of some attributes.

    Args:
        schema: attributes and classes.
        class_weights: by attribute a finite weight ≥ 0 for each of its classes; attributes left out weigh 1.

    Returns:
        float32 array, shape (attributes, most classes of an attribute), 1 where nothing was given.

    Raises:
        InputError: for an unknown attribute, another number of weights than classes, or an invalid weight.
    """
    table = np.ones((len(schema), max(len(attribute.classes) for attribute in schema)), np.float32)
    for name, weights in class_weights.items():
        check_choice("attribute of class_weights", name, schema.names)
        row = schema.names.index(name)
        classes = schema.attributes[row].classes
        if len(weights) != len(classes):
            raise InputError(
                f"class_weights: '{name}' has {len(classes)} classes ({', '.join(classes)})."
                f" Received: {len(weights)} weights"
            )
        if not all(np.isfinite(weight) and weight >= 0 for weight in weights):
            raise InputError(f"class_weights of '{name}' must be finite numbers of at least 0. Received: {weights}")
        table[row, : len(classes)] = weights
    return table


@keras.saving.register_keras_serializable(package="keras_sister")
class MaskedAttributeLoss(keras.losses.Loss):
    """The loss of every known label: binary from one logit, categorical from k.

    The loss of a photo is the sum over its known labels, divided by the number of attributes in the schema. Every known
    label therefore has the same weight, but for `class_weights`, and a photo with few known labels has a small loss. A
    photo without known labels has loss and gradient 0. The paper does not specify its loss.

    Args:
        schema: attributes and classes of labels and logits.
        loss: ``cross_entropy``, ``focal`` or ``asymmetric``, see `label_losses`.
        gamma: how much ``focal`` and ``asymmetric`` reduce the loss of what is predicted well, at least 0; 0 is the
            cross-entropy. None is 2 for ``focal`` and 4 for ``asymmetric``, their authors' choices.
        label_smoothing: share of the target that is spread over all classes, in [0, 1).
        class_weights: a weight for each class of an attribute, by attribute; see `class_weight_table`.
        reduction: how the photos' losses are reduced, as in `keras.losses.Loss`; the mean by default.

    Call arguments:
        y_true: numbers, shape (batch, attributes): class indices; NaN or any negative number is unknown. ``(batch,)``
            as well for a schema of one attribute.
        y_pred: float, shape (batch, schema.n_logits): logits.
        sample_weight: None, or numbers ≥ 0: a weight per photo, shape (batch,), or per label, (batch, attributes).

    Returns:
        float32 scalar; ``(batch,)`` with ``reduction=None``. NaN for a logit that is not finite, and for an invalid
        label where the backend cannot raise (see `keras_sister.labels`).

    Raises:
        InputError: for labels, logits or weights of another shape; for labels that are no class index, such as
            fractions or indices past the last class; for invalid arguments.

    Example:
        >>> model.compile("adam", loss=MaskedAttributeLoss(DCSA), metrics=[AttributeAccuracy(DCSA)])
        >>> MaskedAttributeLoss(DCSA, loss="focal", gamma=1.0, class_weights={"scarf": (0.6, 4.0)})
    """

    def __init__(
        self,
        schema: Schema,
        *,
        loss: str = "cross_entropy",
        gamma: float | None = None,
        label_smoothing: float = 0.0,
        class_weights: Mapping[str, Sequence[float]] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "masked_attribute_loss",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        check_choice("loss", loss, LOSSES)
        self.schema = schema
        self.loss = loss
        self.gamma = GAMMAS[loss] if gamma is None else gamma
        self.label_smoothing = label_smoothing
        if not (np.isfinite(self.gamma) and self.gamma >= 0):
            raise InputError(f"gamma must be a finite number of at least 0. Received: {gamma}")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be at least 0 and below 1. Received: {label_smoothing}")
        self.class_weights = None
        self._table = None
        if class_weights is not None:
            self._table = class_weight_table(schema, class_weights)
            self.class_weights = {name: [float(w) for w in weights] for name, weights in class_weights.items()}

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch. Weights per label, which Keras does not have, reach `call` with the labels."""
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        sample_weight = keras.ops.convert_to_tensor(sample_weight)
        weights = read_weights(self.schema, sample_weight, y_pred)
        if len(sample_weight.shape) == 1:
            return super().__call__(y_true, y_pred, weights[:, 0])
        if self.reduction == "mean_with_sample_weight":
            raise InputError("reduction='mean_with_sample_weight' needs sample_weight of shape (batch,).")
        return super().__call__((y_true, weights), y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of every photo: (batch,), float64 for logits in float64, else float32.

        `y_true` is the labels, or the labels and their weights.
        """
        labels, weights = y_true if isinstance(y_true, tuple) else (y_true, None)
        batch = read_batch(self.schema, labels, y_pred)
        weights = batch.known if weights is None else batch.known * weights
        losses = label_losses(
            self.schema,
            batch.labels,
            batch.logits,
            loss=self.loss,
            gamma=self.gamma,
            label_smoothing=self.label_smoothing,
            class_weights=self._table,
        )
        return (batch.fault + keras.ops.sum(weights * losses, axis=1)) / len(self.schema)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "schema": self.schema.to_dict(),
            "loss": self.loss,
            "gamma": self.gamma,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MaskedAttributeLoss":
        return cls(**{**config, "schema": Schema.from_dict(config["schema"])})
