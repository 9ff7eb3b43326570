"""Warm-up requests, which TensorFlow Serving runs while it loads an export, so that the first request is fast.

The server reads ``assets.extra/tf_serving_warmup_requests``: a TFRecord file of ``PredictionLog`` messages. Their
package, tensorflow-serving-api, is an extra; only these few fields are needed.
"""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

from keras_sister.export.server_files import BATCH_SIZES

FILE = "tf_serving_warmup_requests"

Request = tuple[str, dict[str, tf.Tensor]]
"""The name of a signature, and its inputs."""


def warmup_requests(model: keras.Model, *, has_segmenter: bool) -> Iterator[Request]:
    """A request for every signature of an export, and for every batch size that the server makes.

    Args:
        model: the model of the export.
        has_segmenter: whether the export has the signature ``segment``.
    """
    size = model.inputs[0].shape[1]
    photo = np.indices((size, size, 3)).sum(axis=0).astype(np.uint8)
    jpeg = tf.io.encode_jpeg(photo).numpy()
    for batch_size in BATCH_SIZES:
        yield "serving_default", {"image_bytes": tf.constant([jpeg] * batch_size)}
    yield "prepare", {"image_bytes": tf.constant([jpeg])}
    yield "images", {"images": tf.constant(photo[None])}
    yield "views", {tensor.name: tf.constant(photo[None, ..., : tensor.shape[-1]]) for tensor in model.inputs}
    if has_segmenter:
        yield "segment", {"images": tf.constant(photo[None])}


def write_warmup(file: Path, name: str, requests: Iterable[Request]) -> None:
    """Write warm-up requests.

    Args:
        file: ``assets.extra/tf_serving_warmup_requests`` of an export.
        name: name of the model on the server.
        requests: at most 1,000. If one fails, the server refuses the export.
    """
    prediction_log = _messages()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests:
            log = prediction_log()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, tensor in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(tensor))
            writer.write(log.SerializeToString(deterministic=True))


@functools.cache
def _messages() -> Any:
    """The class of ``PredictionLog``, with field numbers as in tensorflow_serving/apis/prediction_log.proto."""
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_sister/warmup.proto",
        package="keras_sister.warmup",
        syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )
    field = descriptor_pb2.FieldDescriptorProto
    _message(file, "ModelSpec", name=(1, field.TYPE_STRING, None), signature_name=(3, field.TYPE_STRING, None))
    request = _message(file, "PredictRequest", model_spec=(1, field.TYPE_MESSAGE, ".keras_sister.warmup.ModelSpec"))
    entry = request.nested_type.add(name="InputsEntry")
    entry.options.map_entry = True
    _add(entry, "key", 1, field.TYPE_STRING)
    _add(entry, "value", 2, field.TYPE_MESSAGE, ".tensorflow.TensorProto")
    inputs = _add(request, "inputs", 2, field.TYPE_MESSAGE, ".keras_sister.warmup.PredictRequest.InputsEntry")
    inputs.label = field.LABEL_REPEATED
    _message(file, "PredictLog", request=(1, field.TYPE_MESSAGE, ".keras_sister.warmup.PredictRequest"))
    _message(file, "PredictionLog", predict_log=(6, field.TYPE_MESSAGE, ".keras_sister.warmup.PredictLog"))
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("keras_sister.warmup.PredictionLog"))


def _message(file: Any, message_name: str, /, **fields: tuple[int, Any, str | None]) -> Any:
    message = file.message_type.add(name=message_name)
    for field, (number, kind, type_name) in fields.items():
        _add(message, field, number, kind, type_name)
    return message


def _add(message: Any, name: str, number: int, kind: Any, type_name: str | None = None) -> Any:
    label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    return message.field.add(name=name, number=number, type=kind, type_name=type_name, label=label)
