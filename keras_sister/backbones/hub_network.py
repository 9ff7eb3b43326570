"""A network of KerasHub as a layer that returns a feature map, also where the network returns tokens."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import keras

from keras_sister.errors import InputError
from keras_sister.extras import missing_extra
from keras_sister.layers.data_format import channels_last

LEADING: dict[str, Callable[[Any], int]] = {
    "ViTBackbone": lambda network: int(network.use_class_token),
    "DeiTBackbone": lambda network: 2,  # class and distillation
    "DINOV2Backbone": lambda network: 1 + network.num_register_tokens,
    "DINOV3Backbone": lambda network: 1 + network.num_register_tokens,
    "CLIPVisionEncoder": lambda network: 1,
    "SigLIPVisionEncoder": lambda network: 0,
}
"""The transformers of KerasHub that are known here: how many tokens come before those of the patches."""


def keras_hub() -> ModuleType:
    """The package, imported when it is first needed.

    Raises:
        InputError: if it is not installed, with the command that installs it.
    """
    try:
        import keras_hub as package
    except ImportError as error:
        raise missing_extra("A backbone of KerasHub needs keras-hub", "keras-hub") from error
    return package


@keras.saving.register_keras_serializable(package="keras_sister")
class HubNetwork(keras.layers.Layer):
    """An image network of KerasHub, from normalised pixels to its last feature map.

    The tokens that a transformer makes of the photo's patches are arranged as the patches are; class and register
    tokens are left out. The layer is saved with the network's class and settings, and needs KerasHub to be loaded.

    Args:
        network: a class of ``keras_hub.models``: one of `LEADING`, or one whose only output is a feature map.
        settings: its configuration, as its ``get_config`` gives it, for images of one size.
        frozen: the layers inside that are not trainable, by their places in the network; a file keeps them.

    Call arguments:
        pixels: float tensor, shape (batch, size, size, 3), normalised.

    Returns:
        Tensor, shape (batch, height, width, channels).

    Raises:
        InputError: if KerasHub is missing or has no such network.
    """

    def __init__(self, network: str, settings: dict[str, Any], *, frozen: Sequence[int] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.settings = settings
        with channels_last():
            built = network_class(network).from_config({**settings, "dtype": self.dtype_policy.name})
        self.inner = inner_model(built)
        self.leading = LEADING[network](built) if network in LEADING else None
        self.map_shape = map_shape(built)
        for place, layer in enumerate(self.inner._flatten_layers()):  # a layer comes after the one that holds it
            layer.trainable = place not in frozen
        self.built = True

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        features = self.inner(pixels, training=training)
        if self.leading is None:
            return features
        return keras.ops.reshape(features[:, self.leading :], (-1, *self.map_shape))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], *self.map_shape)

    def get_config(self) -> dict[str, Any]:
        frozen = [place for place, layer in enumerate(self.inner._flatten_layers()) if not layer.trainable]
        return {**super().get_config(), "network": self.network, "settings": dict(self.settings), "frozen": frozen}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "HubNetwork":
        return cls(**config)  # Keras's own would wrap the error about a missing package


def network_class(name: str) -> Any:
    """A backbone class of KerasHub.

    Raises:
        InputError: if KerasHub is missing, or has no such class.
    """
    models = keras_hub().models
    found = getattr(models, name, None)
    if not (isinstance(found, type) and issubclass(found, models.Backbone)):
        raise InputError(f"{name} is not a backbone of the installed keras-hub; install another version of it.")
    return found


def inner_model(network: Any) -> keras.Model:
    """A plain model of a network of KerasHub, from its image to its last feature map or to all its tokens."""
    image, name = network.inputs[0], type(network).__name__
    if name == "SigLIPVisionEncoder":  # its head pools the tokens
        return keras.Model(image, network.post_layer_norm.output)
    if name == "CLIPVisionEncoder":  # it may have a second output
        return keras.Model(image, network.layer_norm.output)
    if name == "DINOV2Backbone":
        embedding = _exact_embedding(network.embeddings)
        tokens, _ = network.encoder(embedding(image))
        embedding.set_weights(network.embeddings.get_weights())
        return keras.Model(image, network.layernorm(tokens))
    return keras.Model(image, network.outputs[0])


def map_shape(network: Any) -> tuple[int, int, int]:
    """Height, width and channels of a network's feature map, for images of its size."""
    if type(network).__name__ not in LEADING:
        return tuple(network.outputs[0].shape[1:])
    patch = network.patch_size if isinstance(network.patch_size, list | tuple) else (network.patch_size,) * 2
    height, width = (pixels // stride for pixels, stride in zip(network.image_shape, patch, strict=False))
    return height, width, network.hidden_dim


def _exact_embedding(embedding: Any) -> Any:
    """DINOv2's embedding, saved and loaded as it is.

    KerasHub's saves the position embeddings of the pretraining's size, and loses what was trained at another one.
    """

    class Embedding(type(embedding)):  # type: ignore[misc]  # KerasHub is imported late
        save_own_variables = keras.layers.Layer.save_own_variables
        load_own_variables = keras.layers.Layer.load_own_variables

    return Embedding.from_config(embedding.get_config())
