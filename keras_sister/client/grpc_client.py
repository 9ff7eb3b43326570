"""Client of TensorFlow Serving over gRPC. Needs the extra ``serving``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.client.proxy import grpc_proxy, is_loopback, through
from keras_sister.client.retry import RetryableError, first_line, retry
from keras_sister.errors import InputError
from keras_sister.extras import missing_extra


class GrpcClient:
    """A gRPC client; see `keras_sister.client.connect.Client`.

    Args:
        target: host and port.
        model: name of the model on the server.
        timeout, retries, headers, tls_roots: see `keras_sister.client.connect.connect`.
        secure: use TLS.

    Raises:
        InputError: if tensorflow-serving-api is not installed; for a header of bytes, or an invalid proxy.
    """

    def __init__(
        self,
        target: str,
        model: str,
        timeout: float,
        retries: int,
        headers: Mapping[str, str],
        tls_roots: Path | None,
        *,
        secure: bool,
    ) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
        except ImportError as error:
            raise missing_extra("gRPC needs tensorflow-serving-api", "serving") from error
        self.model, self.timeout, self.retries = model, timeout, retries
        self.url = f"grpc{'s' if secure else ''}://{target}/{model}"
        if name := next((name for name in headers if name.lower().endswith("-bin")), None):
            raise InputError(f"Header {name!r}: gRPC has bytes, not text, in headers whose names end in -bin.")
        self._metadata = [(name.lower(), value) for name, value in headers.items()]
        host = target.rpartition(":")[0]
        self._through = through(grpc_proxy(host), bypass="no_proxy")  # gRPC reads it in lower case only
        options = [("grpc.enable_http_proxy", int(not is_loopback(host)))]
        if secure:
            credentials = grpc.ssl_channel_credentials(tls_roots.read_bytes() if tls_roots else None)
            channel = grpc.secure_channel(target, credentials, options)
        else:
            channel = grpc.insecure_channel(target, options)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.new_request = predict_pb2.PredictRequest

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """See `keras_sister.client.connect.Client`."""
        import tensorflow as tf

        request = self.new_request()
        request.model_spec.name = self.model
        request.model_spec.signature_name = "serving_default"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(list(photos), shape=(len(photos),)))
        response = retry(lambda: self._send(request), self.retries)
        try:
            return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self.url}: unexpected response; expected that of TensorFlow Serving{self._through}."
            ) from error

    def _send(self, request: Any) -> Any:
        import grpc

        try:
            return self.stub.Predict(request, timeout=self.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            retryable = (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                grpc.StatusCode.DEADLINE_EXCEEDED,
            )
            kind = RetryableError if error.code() in retryable else InputError
            said = first_line(error.details())
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                said = f"timed out: no response within {self.timeout:g} s (--timeout)"
            raise kind(f"{self.url}: {error.code().name}: {said}{self._through}") from error
