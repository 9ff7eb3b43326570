"""Weights of a SavedModel that are not numbers: it would predict nonsense, so it is refused when it is loaded."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError


def check_finite_weights(folder: Path) -> None:
    """Check that all weights of a SavedModel are finite. They are read as they are stored; nothing of it is run.

    Args:
        folder: a SavedModel.

    Raises:
        InputError: naming the folder and the first weight with NaN or infinite values.
        tf.errors.OpError: if the weights cannot be read, for example because their checksum differs.
    """
    if not (folder / "variables" / "variables.index").exists():  # a frozen graph
        return
    stored = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for name, dtype in stored.get_variable_to_dtype_map().items():
        if dtype.is_floating and not np.isfinite(stored.get_tensor(name).astype(np.float32)).all():
            weight = name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
            raise InputError(f"{folder}: damaged: {weight} has NaN or infinite values.")
