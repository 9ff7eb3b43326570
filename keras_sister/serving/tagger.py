"""Tag photos with an export, on this machine."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError, check_choice, reason_of
from keras_sister.photo_files import try_read
from keras_sister.saved_model_weights import check_finite_weights
from keras_sister.schema import Schema
from keras_sister.serving.choices import RUNTIMES
from keras_sister.serving.export_folder import newest_version, read_export_schema
from keras_sister.serving.file_writing import file_writing_operations
from keras_sister.serving.openvino_network import OpenVINONetwork, convert_to_openvino
from keras_sister.serving.output_check import check_outputs, expected_shapes
from keras_sister.serving.predictions import DECODED, Prediction, Tags, to_predictions, to_tags

Predict = Callable[[Sequence[bytes]], dict[str, np.ndarray]]
"""From the bytes of photos to the outputs of the signature ``serving_default``."""


class Tagger:
    """A loaded export.

    Args:
        folder: one version, ``saved_models/NAME/1``, or all versions, ``saved_models/NAME``: the highest is used.
        runtime: one of `keras_sister.serving.choices.RUNTIMES`. OpenVINO gives the same tags as TensorFlow; bfloat16 is
            faster on CPUs that support it, and changes probabilities by about 0.01.
        trust: load the graph even if it can write files. A SavedModel is a program; exports of this package write
            nothing.

    Attributes:
        schema: attributes and classes of the export.

    Raises:
        InputError: if there is no complete export, naming the folder; if its outputs do not match its schema; if its
            graph can write files and `trust` is not set; or if OpenVINO cannot run it.

    Example:
        >>> tagger = Tagger("saved_models/sister_a")
        >>> [tags.attributes["neckline"].value for tags in tagger.tag(["me.jpg"])]
        ['v_shape']
    """

    def __init__(self, folder: str | Path, *, runtime: str = "tensorflow", trust: bool = False) -> None:
        check_choice("runtime", runtime, RUNTIMES)
        self._folder = folder = newest_version(Path(folder))
        self.schema = read_export_schema(folder)
        try:
            if not trust:
                _refuse_file_writing(folder)
            check_finite_weights(folder)
            loaded = tf.saved_model.load(str(folder))
            _check_signature(loaded.signatures["serving_default"], self.schema, folder)
            self._predict = _in_tensorflow(loaded) if runtime == "tensorflow" else _in_openvino(loaded, folder, runtime)
        except InputError:
            raise
        except Exception as error:  # TensorFlow and OpenVINO raise many kinds for a damaged file
            raise InputError(f"{folder}: not an export that can be loaded: {reason_of(error)}") from error
        self._loaded = loaded  # signatures do not keep their variables alive

    def __repr__(self) -> str:
        return f"Tagger({self.schema!r})"

    def tag(self, photos: Iterable[str | Path], *, batch_size: int = 8) -> Iterator[Tags]:
        """Tag photos.

        Args:
            photos: JPEG, PNG or WebP files of any size. A missing or damaged file gives tags with an `error`.
            batch_size: photos to decode and tag at once.

        Yields:
            The tags of each photo, in order.
        """
        names = map(str, photos)
        while batch := list(itertools.islice(names, batch_size)):
            predictions = self.predict([Path(name) for name in batch])
            yield from (to_tags(self.schema, *pair) for pair in zip(batch, predictions, strict=True))

    def predict(self, photos: Sequence[Path]) -> list[Prediction]:
        """Predict one batch of photos, in numbers. Safe to call from several threads at once.

        Args:
            photos: as for `tag`, at least one.

        Returns:
            The prediction for each, in order.

        Raises:
            InputError: if the graph fails, or returns values that are no probabilities of the schema.
        """
        contents, errors = zip(*(try_read(photo) for photo in photos), strict=True)
        return to_predictions(self.outputs(contents), contents, errors)

    def outputs(self, contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        """The outputs of the signature ``serving_default`` for the bytes of photos, by name, checked.

        Raises:
            InputError: as `predict` does.
        """
        try:
            outputs = self._predict(contents)
        except tf.errors.OpError as error:
            raise InputError(f"{self._folder}: the graph failed: {reason_of(error)}") from error
        check_outputs(outputs, self.schema, len(contents), who=f"{self._folder}", why=_OTHER_SCHEMA)
        return outputs

    def views(self, contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        """The views that the network sees of photos: float32 arrays (photos, size, size, channels), 0–255, by name."""
        prepare = self._loaded.signatures["prepare"]
        found = _to_numpy(prepare(image_bytes=tf.constant(contents)))
        return {name: pixels for name, pixels in found.items() if pixels.ndim == 4}


_OTHER_SCHEMA = "the graph does not match schema.json"


def _refuse_file_writing(folder: Path) -> None:
    found = file_writing_operations(folder)
    if found:
        raise InputError(
            f"{folder}: its graph can write files ({', '.join(found)}). If you trust whoever made it, add --trust"
            " (trust=True)."
        )


def _check_signature(signature: Any, schema: Schema, folder: Path) -> None:
    """Check input, names, dtypes and shapes as far as the graph declares them."""
    inputs = signature.structured_input_signature[1]
    if set(inputs) != {"image_bytes"} or inputs["image_bytes"].dtype != tf.string:
        raise InputError(f"{folder}: expected one input image_bytes of strings. Received: {inputs}")
    outputs = signature.structured_outputs
    shapes = expected_shapes(schema, None)
    missing = {DECODED, *shapes} - outputs.keys()
    if missing:
        raise InputError(f"{folder}: schema.json does not match: no output {', '.join(sorted(missing))}.")
    for name, shape in shapes.items():
        found = outputs[name]
        if not found.dtype.is_floating or not found.shape.is_compatible_with(shape):
            raise InputError(
                f"{folder} has {name} as {found.dtype.name} {found.shape}; expected {shape}: {_OTHER_SCHEMA}."
            )


def _in_tensorflow(loaded: Any) -> Predict:
    signature = loaded.signatures["serving_default"]
    return lambda contents: _to_numpy(signature(image_bytes=tf.constant(contents)))


def _in_openvino(loaded: Any, folder: Path, runtime: str) -> Predict:
    prepare, views = loaded.signatures["prepare"], loaded.signatures["views"]
    try:
        network = OpenVINONetwork(convert_to_openvino(views), bfloat16=runtime.endswith("bfloat16"))
    except RuntimeError as error:
        raise InputError(f"{folder}: OpenVINO cannot run it; it supports exports in float32.") from error
    inputs = [spec.name for spec in views.structured_input_signature[1].values()]

    def predict(contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        prepared = _to_numpy(prepare(image_bytes=tf.constant(contents)))
        return {**network({name: prepared.pop(name).astype(np.uint8) for name in inputs}), **prepared}

    return predict


def _to_numpy(outputs: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: output.numpy() for name, output in outputs.items()}
