"""TensorFlow Serving over gRPC; by the extra ``serving``."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_sister.errors import InputError
from keras_sister.serving.patience import TryAgainError, in_short, patiently


class GrpcClient:
    """A client (see `keras_sister.serving.client.Client`).

    Args:
        target: host and port.
        model: its name on the server.
        timeout, retries: see `keras_sister.serving.client.connect`.
        secure: by TLS.

    Raises:
        InputError: if tensorflow-serving-api is not installed.
    """

    def __init__(self, target: str, model: str, timeout: float, retries: int, *, secure: bool) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
        except ImportError as error:
            raise InputError("gRPC needs tensorflow-serving-api: pip install 'keras-sister[serving]'.") from error
        self.model, self.timeout, self.retries = model, timeout, retries
        self.url = f"grpc{'s' if secure else ''}://{target}/{model}"
        credentials = grpc.ssl_channel_credentials() if secure else None
        channel = grpc.secure_channel(target, credentials) if secure else grpc.insecure_channel(target)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.new_request = predict_pb2.PredictRequest

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Ask about a batch."""
        import tensorflow as tf

        request = self.new_request()
        request.model_spec.name = self.model
        request.model_spec.signature_name = "serving_default"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(list(photos), shape=(len(photos),)))
        answer = patiently(lambda: self._ask(request), self.retries)
        try:
            return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.url}: answered otherwise than TensorFlow Serving does.") from error

    def _ask(self, request: Any) -> Any:
        import grpc

        try:
            return self.stub.Predict(request, timeout=self.timeout)
        except grpc.RpcError as error:
            busy = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
            kind = TryAgainError if error.code() in busy else InputError
            raise kind(f"{self.url}: {error.code().name}: {in_short(error.details())}") from error
