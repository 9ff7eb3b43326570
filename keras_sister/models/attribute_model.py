"""The model class of every system: inputs by name, checked strictly."""

from pathlib import Path
from typing import Any

import keras
from keras.src.backend.common import global_state  # Keras has no public name for it

from keras_sister.errors import InputError
from keras_sister.layers.fused_batch_norm import fuse_batch_norm

_NO_HDF5 = "HDF5 cannot hold two towers; save the model as ….keras."


@keras.saving.register_keras_serializable(package="keras_sister")
class AttributeModel(keras.Model):
    """A functional model from named views to logits, ``keras.Model({view: image}, logits)``, that checks its inputs.

    Keras matches a dict of inputs by position where its keys are not exactly the model's: given ``photo`` and
    ``segmented``, a model of ``segmented`` alone would compute on ``photo``. It also stretches a view of one channel to
    three. Here the inputs are a dict with exactly the model's views, each of its own number of channels, wherever the
    model is called: directly, by ``fit``, ``evaluate`` or ``predict``, and after it was saved and loaded.

    Its batch normalization trains by one operation where Keras runs on TensorFlow, see
    `keras_sister.layers.fused_batch_norm.fuse_batch_norm`.

    Raises:
        ValueError: when called with anything else; the message names the views.

    Example:
        >>> model = AttributeModel({"photo": image}, logits, name="mine")
        >>> model({"photo": photos, "segmented": segmented_photos})
        ValueError: mine: expected the views photo. Received: photo, segmented
    """

    # Keras knows a functional model, whose configuration is its graph, by exactly these arguments.
    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        fuse_batch_norm(self)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        _check_views(self, inputs)  # here the message is one line; on JAX `predict` uses `call` alone
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        _check_views(self, inputs)
        views = {tensor.name: _of_known_size(inputs[tensor.name], tensor.shape) for tensor in self.inputs}
        return super().call(views, training=training, mask=mask)

    def save(self, filepath: str | Path, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """As ``keras.Model.save``, but for HDF5.

        Raises:
            InputError: for ``….h5``, which cannot hold two towers with layers of the same names.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise InputError(f"{filepath}: {_NO_HDF5}")
        super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """As ``keras.Model.get_config``.

        Raises:
            InputError: while ``keras.saving.save_model`` writes HDF5, see `save`.
        """
        if global_state.get_global_attribute("use_legacy_config", False):  # Keras sets it for HDF5 alone
            raise InputError(_NO_HDF5)
        return super().get_config()


def _check_views(model: keras.Model, inputs: Any) -> None:
    expected = {tensor.name: tensor.shape for tensor in model.inputs}
    if not isinstance(inputs, dict) or inputs.keys() != expected.keys():
        received = ", ".join(map(str, inputs)) if isinstance(inputs, dict) else f"{type(inputs).__name__}, not a dict"
        raise ValueError(f"{model.name}: expected the views {', '.join(expected)}. Received: {received}")
    for view, shape in expected.items():
        found = getattr(inputs[view], "shape", None)
        # Where TensorFlow has seen several shapes it does not know a size (None); `_of_known_size` sees to that.
        if found is None or len(found) != 4 or any(a != b for a, b in zip(found, shape, strict=True) if a and b):
            received = type(inputs[view]).__name__ if found is None else f"shape {tuple(found)}"
            raise ValueError(f"{model.name}: expected {view} of shape {shape}. Received: {received}")


def _of_known_size(view: Any, shape: tuple[int | None, ...]) -> Any:
    """The same view with every size but the batch's known to the graph, which fails if they are others."""
    for axis in range(1, 4):
        if view.shape[axis] is None:
            size = list(keras.ops.shape(view))
            size[axis] = shape[axis]
            view = keras.ops.reshape(view, size)  # impossible unless that axis has this size
    return view
