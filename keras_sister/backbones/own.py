"""Backbones of your own: a ``keras.Model``, or the ``.keras`` file of one."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional  # Keras has no public name for it

from keras_sister.backbone_names import content_hash, split_file
from keras_sister.backbones.finite import check_finite
from keras_sister.errors import InputError, is_out_of_memory, reason_of
from keras_sister.layers.state import copy_state

_INFLATION = 10  # an archive of Keras is stored, not compressed; one that unpacks to more is Keras's to refuse


def own_backbone(network: str | keras.Model, size: int) -> keras.Model:
    """Copy a backbone of your own.

    Args:
        network: a model, see `copy_of`, or its file: ``PATH.keras``, or ``PATH.keras#sha256=…`` for a file of exactly
            this content.
        size: height and width of the images, in pixels.

    Raises:
        InputError: naming the model or the file, see `copy_of`; if the file is missing, has changed, or cannot be
            loaded safely.
    """
    if isinstance(network, keras.Model):
        return copy_of(network, size, network.name)
    return copy_of(_load(network), size, str(split_file(network)[0]))


def _load(backbone: str) -> keras.Model:
    """Load a ``.keras`` file. Code inside it is never run."""
    path, recorded = split_file(backbone)
    found = content_hash(path)
    if recorded not in (None, found):
        raise InputError(f"{path}: changed since the run was started; restore it, or start another run with --out.")
    try:
        with _file_without_losses(path) as file:
            model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras, h5py, zipfile and zlib raise many kinds for a damaged file
        if is_out_of_memory(error):
            raise
        raise InputError(f"{path}: not a Keras model that can be loaded safely: {reason_of(error)}") from error
    check_finite(model, path)
    return model


@contextmanager
def _file_without_losses(path: Path) -> Iterator[Path]:
    """A file of the same model in which no model inside is compiled; the file itself if none was.

    ``compile=False`` is about the outermost model only: Keras compiles the others, and fails at a loss of the user's
    own. Nothing but those settings is removed, so that what is unsafe elsewhere is still refused.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > _INFLATION * path.stat().st_size:
            yield path
            return
        config = json.loads(archive.read("config.json"))
        plain = config | {"config": _without_compiling(config["config"])}
        if plain == config:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "model.keras"
            with zipfile.ZipFile(copy, "w") as written:
                written.writestr("config.json", json.dumps(plain))
                for member in members:
                    if member.filename != "config.json":
                        with archive.open(member) as source, written.open(member.filename, "w", force_zip64=True) as to:
                            shutil.copyfileobj(source, to)
            yield copy


def _without_compiling(value: Any) -> Any:
    """A model's settings without the losses, metrics and optimizers of the models in it."""
    if isinstance(value, dict):
        left_out = {"compile_config"} if "class_name" in value else set()
        return {key: _without_compiling(inner) for key, inner in value.items() if key not in left_out}
    return [_without_compiling(inner) for inner in value] if isinstance(value, list) else value


def copy_of(network: keras.Model, size: int, name: str) -> keras.Model:
    """Copy a model from raw pixels to one feature map: weights, adapted statistics, and what of it is frozen.

    Args:
        network: a functional or sequential model of images (batch, height, width, 3), RGB, 0–255.
        size: height and width of the images, in pixels.
        name: what an error calls it.

    Returns:
        An uncompiled functional model that shares nothing with `network`.

    Raises:
        InputError: if `network` is not built, is a subclassed model, or does not map one image to one feature map; if
            it takes images of another size; if its copy would compute something else.
    """
    if not isinstance(network, Functional | keras.Sequential):
        raise InputError(f"{name}: a subclassed model cannot be copied; build it as keras.Model(inputs, outputs).")
    if not network.built:
        raise InputError(f"{name}: not built; begin it with keras.Input(({size}, {size}, 3)).")
    if getattr(network, "inputs", None) is None:  # Keras has no graph of it
        raise InputError(f"{name}: has a layer whose output shape is unknown; give it a method compute_output_shape.")
    _check_shapes(network, size, name)
    plain = keras.Model(network.inputs[0], network.outputs[0], name=network.name)  # neither compiled nor sequential
    try:
        with _uncompiled(plain):
            copy = keras.models.clone_model(plain, recursive=True)
        copy_state(plain, copy)
        if not network.trainable:  # then Keras trains nothing, whatever the layers inside say
            copy.trainable = False
        _check_same(network, copy, size, name)
    except InputError:
        raise
    except Exception as error:  # layers of your own raise what they like
        if is_out_of_memory(error):
            raise
        raise InputError(f"{name}: cannot be copied: {reason_of(error)}") from error
    return copy


@contextmanager
def _uncompiled(model: keras.Model) -> Iterator[None]:
    """A context in which Keras copies no loss and no optimizer of the models inside, which it may not be able to."""
    compiled = [inner for inner in model._flatten_layers() if isinstance(inner, keras.Model) and inner.compiled]
    try:
        for inner in compiled:
            inner.compiled = False
        yield
    finally:
        for inner in compiled:
            inner.compiled = True


def _check_shapes(network: keras.Model, size: int, name: str) -> None:
    inputs, outputs = network.inputs, network.outputs
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or len(outputs[0].shape) != 4:
        raise InputError(
            f"{name}: expected a backbone with one input image and one output map (batch, height, width,"
            f" channels). Received: {_shapes(inputs)} to {_shapes(outputs)}"
        )
    wanted = (None, size, size, 3)
    if any(a != b for a, b in zip(inputs[0].shape, wanted, strict=True) if a and b) or inputs[0].shape[3] != 3:
        raise InputError(
            f"{name}: takes images {inputs[0].shape}, but they are {wanted}; choose the size that it takes."
        )


def _check_same(network: keras.Model, copy: keras.Model, size: int, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3)).astype(np.float32)
    by_name = isinstance(network, Functional) and isinstance(network.input, dict)
    outputs = (
        network({network.inputs[0].name: pixels} if by_name else pixels, training=False),
        copy(pixels, training=False),
    )
    expected, found = (keras.ops.convert_to_numpy(keras.tree.flatten(output)[0]) for output in outputs)
    expected, found = (np.asarray(values, np.float32) for values in (expected, found))
    tolerance = 1e-3 * max(1, float(np.abs(expected).max(initial=0)))
    if expected.shape != found.shape or not np.allclose(found, expected, rtol=0, atol=tolerance):
        raise InputError(
            f"{name}: its copy computes something else; it does more than its layers, such as an own call()."
        )


def _shapes(tensors: Any) -> str:
    return ", ".join(str(tensor.shape) for tensor in tensors)
