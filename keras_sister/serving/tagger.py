"""Tag photos with an export: what a server would answer."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.serving.answers import Answer, Tags, to_answers, to_tags
from keras_sister.serving.export_folder import newest_version, schema_of
from keras_sister.serving.openvino_network import OpenVINONetwork, convert_to_openvino
from keras_sister.serving.photo_files import read_photo

RUNTIMES = ("tensorflow", "openvino", "openvino-bfloat16")
"""What the network runs in. TensorFlow decodes and segments in any case, so that the network sees the same pixels."""

Ask = Callable[[Sequence[bytes]], dict[str, np.ndarray]]
"""From the bytes of photos to what the signature ``serving_default`` puts out."""


class Tagger:
    """An export, loaded.

    Args:
        folder: of one version, ``saved_models/NAME/1``, or of all, ``saved_models/NAME``: then the highest is taken.
        runtime: of `RUNTIMES`. OpenVINO gives TensorFlow's tags; in bfloat16 it is quicker on CPUs that have it, and
            probabilities differ by about 0.01.

    Attributes:
        schema: what it tells of a photo.

    Raises:
        InputError: if there is no export, or not a whole one, naming the folder; or if OpenVINO cannot run it.

    Example:
        >>> tagger = Tagger(Path("saved_models/sister_a"))
        >>> [tags.attributes["neckline"].value for tags in tagger.tag([Path("me.jpg")])]
        ['v_shape']
    """

    def __init__(self, folder: Path, *, runtime: str = "tensorflow") -> None:
        folder = newest_version(folder)
        self.schema = schema_of(folder)
        try:
            loaded = tf.saved_model.load(str(folder))
            missing = set(self.schema.names) - loaded.signatures["serving_default"].structured_outputs.keys()
            if missing:
                raise InputError(f"{folder}: schema.json is another's; nothing puts out {', '.join(sorted(missing))}.")
            self._ask = _in_tensorflow(loaded) if runtime == "tensorflow" else _in_openvino(loaded, folder, runtime)
        except InputError:
            raise
        except (OSError, ValueError, LookupError, tf.errors.OpError) as error:
            raise InputError(f"{folder}: not an export that loads: {str(error).splitlines()[0]}") from error
        self._loaded = loaded  # signatures do not keep their variables alive

    def tag(self, photos: Iterable[Path], *, batch: int = 8) -> Iterator[Tags]:
        """Tag photos.

        Args:
            photos: JPEG or PNG files of any size. One that is missing or broken has an `error` in its place.
            batch: photos to decode and tag at once.

        Yields:
            The tags of each photo, in order.
        """
        photos = iter(photos)
        while some := list(itertools.islice(photos, batch)):
            yield from (to_tags(self.schema, *pair) for pair in zip(some, self.answer(some), strict=True))

    def answer(self, photos: Sequence[Path]) -> list[Answer]:
        """Tag one batch of photos, in numbers; may be called from several threads at once.

        Args:
            photos: as for `tag`, at least one.

        Returns:
            The answer for each, in order.
        """
        contents, errors = zip(*(read_photo(photo) for photo in photos), strict=True)
        return to_answers(self._ask(contents), errors)


def _in_tensorflow(loaded: Any) -> Ask:
    signature = loaded.signatures["serving_default"]
    return lambda contents: _numbers(signature(image_bytes=tf.constant(contents)))


def _in_openvino(loaded: Any, folder: Path, runtime: str) -> Ask:
    prepare, views = loaded.signatures["prepare"], loaded.signatures["views"]
    try:
        network = OpenVINONetwork(convert_to_openvino(views), bfloat16=runtime.endswith("bfloat16"))
    except RuntimeError as error:
        raise InputError(f"{folder}: OpenVINO cannot run it; it runs exports in float32.") from error
    inputs = [spec.name for spec in views.structured_input_signature[1].values()]

    def ask(contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        prepared = _numbers(prepare(image_bytes=tf.constant(contents)))
        return {**network({name: prepared.pop(name).astype(np.uint8) for name in inputs}), **prepared}

    return ask


def _numbers(outputs: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: output.numpy() for name, output in outputs.items()}
