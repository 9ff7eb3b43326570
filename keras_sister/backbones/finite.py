"""Weights that are not numbers: a model with them predicts nonsense, so it is refused when it is loaded."""

from pathlib import Path

import keras
import numpy as np

from keras_sister.errors import InputError


def check_finite(model: keras.Model, file: str | Path) -> None:
    """Check that all weights of a model are finite.

    Args:
        model: any model.
        file: where its weights come from, for the message.

    Raises:
        InputError: naming the file and the first weight with NaN or infinite values.
    """
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight)
        if values.dtype.kind in "biu" or np.isfinite(values.astype(np.float32)).all():
            continue
        raise InputError(f"{file}: damaged: {weight.path} has NaN or infinite values.")
