"""A model that predicts from a photo and its mirror image."""

import keras

from keras_sister.layers import MirrorImage
from keras_sister.models.attribute_model import AttributeModel

_SUFFIX = "_and_mirror"


def mirror_averaged(model: keras.Model) -> keras.Model:
    """A model that averages the logits of a model for views and for their mirror images.

    It shares the weights of `model` and takes twice its time.

    Args:
        model: a model of `keras_sister.models.build`.

    Returns:
        A ``keras.Model`` with the same inputs and outputs.

    Example:
        >>> mirror_averaged(model)({"photo": photos}).shape
        (8, 36)
    """
    views = {tensor.name: keras.Input(tensor.shape[1:], name=tensor.name) for tensor in model.inputs}
    mirrored = {view: MirrorImage(name=f"{view}_mirror")(image) for view, image in views.items()}
    logits = keras.layers.Average(name="mean_logits", dtype="float32")([model(views), model(mirrored)])
    return AttributeModel(views, logits, name=f"{model.name}{_SUFFIX}")


def unmirrored(model: keras.Model) -> keras.Model:
    """The model inside one of `mirror_averaged`; any other model as it is."""
    inside = [layer for layer in model.layers if f"{layer.name}{_SUFFIX}" == model.name]
    return inside[0] if inside else model
