"""Load a saved model, and read the schema that it carries."""

from pathlib import Path

import keras

import keras_sister.losses
import keras_sister.metrics  # noqa: F401 - both register what a compiled model needs
from keras_sister.backbones.finite import check_finite
from keras_sister.errors import InputError, reason_of
from keras_sister.layers import AttributeLogits
from keras_sister.models.mirror import unmirrored
from keras_sister.schema import Schema
from keras_sister.storage.regular_files import check_regular


def load_model(path: str | Path, *, compile: bool = True) -> keras.Model:
    """Load a model that was built by this package and saved with ``model.save("….keras")``.

    Args:
        path: a ``.keras`` file.
        compile: restore loss, metrics and optimizer too, if the model was saved compiled.

    Returns:
        The ``keras.Model``. `schema_of` tells what it predicts.

    Raises:
        InputError: if the file is missing or damaged, such as by NaN or infinite weights, naming it.

    Example:
        >>> model = load_model("sister.keras")
        >>> schema_of(model).names[:2]
        ['necktie', 'collar']
    """
    path = Path(path)
    check_regular(path)
    try:
        model = keras.saving.load_model(path, compile=compile)
    except Exception as error:  # Keras, h5py and zipfile raise many kinds for a damaged file
        raise InputError(f"{path}: not a model file that can be loaded: {reason_of(error)}") from error
    check_finite(model, path)
    return model


def schema_of(model: keras.Model) -> Schema:
    """The schema of a model that was built by this package.

    Raises:
        InputError: if the model has no `keras_sister.layers.AttributeLogits` layer.

    Example:
        >>> schema_of(build("baseline", DCSA, weights="none")) == DCSA
        True
    """
    for layer in reversed(unmirrored(model).layers):
        if isinstance(layer, AttributeLogits):
            return layer.schema
    raise InputError(f"{model.name}: this model carries no schema; its last layer must be an AttributeLogits layer.")
