"""Copy the state of a layer or a model."""

import keras


def copy_state(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Copy weights, and what follows from them, into a layer of the same structure.

    ``set_weights`` is not enough: a ``Normalization`` computes with constants that it makes of its weights only when it
    is adapted or loaded. This takes the way of a saved file, layer by layer.

    Args:
        source: a built layer or model.
        target: a built copy of it, such as ``keras.models.clone_model`` makes.
    """
    for ours, theirs in zip(source._flatten_layers(), target._flatten_layers(), strict=True):
        state: dict[str, keras.Variable] = {}
        ours.save_own_variables(state)
        theirs.load_own_variables(state)
        theirs.trainable = ours.trainable
