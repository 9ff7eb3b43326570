"""The score that is explained: the logit of one class of one attribute, photo by photo."""

from typing import Any

import keras
import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Attribute, Schema


def check_class(attribute: Attribute, class_name: str) -> None:
    """Check that an attribute has this class.

    Raises:
        InputError: naming its classes.
    """
    if class_name not in attribute.classes:
        classes = ", ".join(attribute.classes)
        raise InputError(f"class of {attribute.name} must be one of {classes}. Received: {class_name!r}")


def logits_of(model: keras.Model, views: dict[str, Any]) -> np.ndarray:
    """The logits of a batch: float32 array, shape (batch, n_logits).

    Raises:
        InputError: if `views` are not the views that the model takes.
    """
    expected = [tensor.name for tensor in model.inputs]
    if set(views) != set(expected):
        received = ", ".join(map(str, views))
        raise InputError(f"{model.name}: expected the views {', '.join(expected)}. Received: {received}")
    return keras.ops.convert_to_numpy(model(views, training=False))


def classes_of(schema: Schema, attribute: Attribute, class_name: str | None, logits: np.ndarray) -> list[str]:
    """The class to explain of each photo: `class_name`, or the predicted class if it is None."""
    if class_name is not None:
        check_class(attribute, class_name)
        return [class_name] * len(logits)
    return [attribute.classes[i] for i in schema.predict(logits)[:, schema.names.index(attribute.name)]]


def directions(schema: Schema, attribute: Attribute, classes: list[str]) -> np.ndarray:
    """The direction of each photo's score among the logits: the score is ``(logits * direction).sum(axis=1)``.

    The score of a class of a multi-class attribute is its logit. A binary attribute has one logit, which is the score
    of its positive class; the score of its negative class is minus that logit.

    Returns:
        float32 array, shape (len(classes), n_logits).
    """
    found = np.zeros((len(classes), schema.n_logits), np.float32)
    first = schema.logit_slices[attribute.name].start
    for row, name in enumerate(classes):
        index = attribute.classes.index(name)
        if attribute.is_binary:
            found[row, first] = 1 if index else -1
        else:
            found[row, first + index] = 1
    return found
