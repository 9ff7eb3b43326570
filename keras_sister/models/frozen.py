"""A model with frozen towers in two parts: from the views to the pooled features, and from those to the logits."""

import hashlib
import re
from dataclasses import dataclass

import keras

POOLS = ("photo_pool", "segmented_pool", "person_pool")
"""The pooling layers in which the towers of the systems end."""


@dataclass(frozen=True)
class Tower:
    """A tower up to its pooled features.

    Attributes:
        name: that of its pooling layer.
        model: views by name to features (batch, channels).
        fingerprint: a hash of its layers and weights, whatever the names of the layers.
    """

    name: str
    model: keras.Model
    fingerprint: str

    @property
    def views(self) -> tuple[str, ...]:
        """The views that it takes."""
        return tuple(tensor.name for tensor in self.model.inputs)


def towers_of(model: keras.Model) -> list[Tower]:
    """The towers of a system, in the order of `head_of`'s inputs. They share the model's weights."""
    inputs = {tensor.name: tensor for tensor in model.inputs}
    towers = []
    for pool in _pools(model):
        received = pool.input if isinstance(pool.input, list | tuple) else [pool.input]
        backbone = received[0]._keras_history.operation  # a model in the model
        views = inputs if pool.name == "person_pool" else {view: inputs[view] for view in [pool.name[: -len("_pool")]]}
        towers.append(Tower(pool.name, keras.Model(views, pool.output), _fingerprint(backbone, pool)))
    return towers


def all_towers_of(model: keras.Model) -> keras.Model:
    """The towers of a system as one model, for their weights: views by name to a list of pooled features."""
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, [pool.output for pool in _pools(model)], name="towers")


def head_of(model: keras.Model) -> keras.Model:
    """The rest of the model: a list of pooled features to logits. It shares the model's weights."""
    return keras.Model([pool.output for pool in _pools(model)], model.outputs[0], name="head")


def _pools(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.name in POOLS]


def _fingerprint(tower: keras.Model, pool: keras.layers.Layer) -> str:
    architecture = tower.to_json()
    for number, layer in enumerate(tower._flatten_layers(include_self=False)):  # those of models inside it too
        architecture = re.sub(rf'"{re.escape(layer.name)}"', f'"#{number}"', architecture)
    digest = hashlib.sha256(architecture.replace(f'"{tower.name}"', '"tower"').encode())
    digest.update(type(pool).__name__.encode())
    for weight in tower.weights:
        digest.update(keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")).tobytes())
    return digest.hexdigest()
