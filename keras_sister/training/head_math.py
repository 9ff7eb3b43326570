"""What the training of several folds' heads computes: loss and update, on every Keras backend and in its graphs.

All arrays have a first axis of folds. `keras_sister.training.heads_on_tensorflow` and `heads_on_jax` hold the weights,
differentiate the loss, and compile.
"""

from typing import Any

import keras

from keras_sister.losses import MaskedAttributeLoss

BETA_1, BETA_2 = 0.9, 0.999  # the defaults of keras.optimizers.Adam
_EPSILON = 1e-7


def losses_of(loss: MaskedAttributeLoss, logits: Any, labels: Any, label_weights: Any, weights: Any) -> Any:
    """Each fold's loss, (folds,): the sum of its photos' losses, times their weights, (folds, batch)."""
    of_photos = photo_losses(loss, logits, labels, label_weights)
    return keras.ops.sum(weights * keras.ops.cast(of_photos, weights.dtype), axis=1)


def photo_losses(loss: MaskedAttributeLoss, logits: Any, labels: Any, label_weights: Any) -> Any:
    """The loss of each photo, (folds, batch)."""
    flat = [keras.ops.reshape(part, (-1, part.shape[2])) for part in (labels, label_weights, logits)]
    return keras.ops.reshape(loss.call((flat[0], flat[1]), flat[2]), keras.ops.shape(labels)[:2])


def adam(weight: Any, first: Any, second: Any, gradient: Any, rates: Any) -> tuple[Any, Any, Any]:
    """One step of Adam, as Keras computes it; nothing changes where a fold's rate is 0.

    Args:
        weight: a weight of the heads.
        first, second: its moments.
        gradient: that of the loss.
        rates: the learning rate of each fold, with Adam's corrections for the first steps: (folds,).

    Returns:
        The new weight and moments.
    """
    rates = keras.ops.reshape(rates, (-1, *[1] * (len(weight.shape) - 1)))
    active = keras.ops.cast(rates > 0, weight.dtype)
    first = first + active * (gradient - first) * (1 - BETA_1)
    second = second + active * (keras.ops.square(gradient) - second) * (1 - BETA_2)
    return weight - rates * first / (keras.ops.sqrt(second) + _EPSILON), first, second
