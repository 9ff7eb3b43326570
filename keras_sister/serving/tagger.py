"""Tag photos with an export, on this machine."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError, check_choice
from keras_sister.photo_files import try_read
from keras_sister.serving.choices import RUNTIMES
from keras_sister.serving.export_folder import newest_version, read_export_schema
from keras_sister.serving.openvino_network import OpenVINONetwork, convert_to_openvino
from keras_sister.serving.predictions import Prediction, Tags, to_predictions, to_tags

Predict = Callable[[Sequence[bytes]], dict[str, np.ndarray]]
"""From the bytes of photos to the outputs of the signature ``serving_default``."""


class Tagger:
    """A loaded export.

    Args:
        folder: one version, ``saved_models/NAME/1``, or all versions, ``saved_models/NAME``: the highest is used.
        runtime: one of `keras_sister.serving.choices.RUNTIMES`. OpenVINO gives the same tags as TensorFlow; bfloat16 is
            faster on CPUs that support it, and changes probabilities by about 0.01.

    Attributes:
        schema: attributes and classes of the export.

    Raises:
        InputError: if there is no complete export, naming the folder, or OpenVINO cannot run it.

    Example:
        >>> tagger = Tagger("saved_models/sister_a")
        >>> [tags.attributes["neckline"].value for tags in tagger.tag(["me.jpg"])]
        ['v_shape']
    """

    def __init__(self, folder: str | Path, *, runtime: str = "tensorflow") -> None:
        check_choice("runtime", runtime, RUNTIMES)
        folder = newest_version(Path(folder))
        self.schema = read_export_schema(folder)
        try:
            loaded = tf.saved_model.load(str(folder))
            missing = set(self.schema.names) - loaded.signatures["serving_default"].structured_outputs.keys()
            if missing:
                raise InputError(f"{folder}: schema.json does not match: no output {', '.join(sorted(missing))}.")
            self._predict = _in_tensorflow(loaded) if runtime == "tensorflow" else _in_openvino(loaded, folder, runtime)
        except InputError:
            raise
        except (OSError, ValueError, LookupError, tf.errors.OpError) as error:
            raise InputError(f"{folder}: not an export that can be loaded: {str(error).splitlines()[0]}") from error
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
        files = map(Path, photos)
        while batch := list(itertools.islice(files, batch_size)):
            yield from (to_tags(self.schema, *pair) for pair in zip(batch, self.predict(batch), strict=True))

    def predict(self, photos: Sequence[Path]) -> list[Prediction]:
        """Predict one batch of photos, in numbers. Safe to call from several threads at once.

        Args:
            photos: as for `tag`, at least one.

        Returns:
            The prediction for each, in order.
        """
        contents, errors = zip(*(try_read(photo) for photo in photos), strict=True)
        return to_predictions(self._predict(contents), errors, contents)


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
