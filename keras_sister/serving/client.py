"""Ask a running TensorFlow Serving about photos, over REST or gRPC.

http://127.0.0.1:8501/v1/models/sister_a      REST, as in TensorFlow Serving's documentation; or https://
grpc://127.0.0.1:8500/sister_a                gRPC, by the extra ``serving``; or grpcs://
"""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.serving.answers import Tags, to_answers, to_tags
from keras_sister.serving.photo_files import read_photo

FORMS = ("row", "column")
"""How REST requests are written: ``instances``, one object a photo, or ``inputs``, one list an input."""

_FIRST_PAUSE = 0.5  # seconds before the first repetition; then twice as long each time
_BUSY = (429, 502, 503, 504)

_Answered = TypeVar("_Answered")


class Client(Protocol):
    """A server that is asked."""

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Ask the signature ``serving_default`` about a batch.

        Args:
            photos: the bytes of JPEGs or PNGs, at least one.

        Returns:
            The outputs by name, each with the batch first.

        Raises:
            InputError: if the server cannot be reached in time, or refuses, saying why.
        """


def connect(url: str, *, timeout: float = 30, retries: int = 3, form: str = "row") -> Client:
    """A client for the model at a URL.

    Args:
        url: of a model, as at the top of this module.
        timeout: seconds that one request may take.
        retries: how often a request is repeated that found the server away or too busy, after pauses that double.
        form: of REST requests, see `FORMS`.

    Raises:
        InputError: if the URL is of no such form, or gRPC is not installed.

    Example:
        >>> connect("http://127.0.0.1:8501/v1/models/sister_a").predict([Path("me.jpg").read_bytes()])["gender"]
        array([0.71], dtype=float32)
    """
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.path.startswith("/v1/models/"):
        return _Rest(url.rstrip("/"), timeout, retries, form)
    model = parts.path.strip("/")
    if parts.scheme in ("grpc", "grpcs") and model and "/" not in model:
        return _Grpc(parts.netloc, model, timeout, retries, secure=parts.scheme == "grpcs")
    raise InputError(f"{url}: expected http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME.")


def query_photos(client: Client, schema: Schema, photos: Sequence[Path], *, batch: int = 8) -> Iterator[Tags]:
    """Ask a server about photos.

    Args:
        client: of `connect`.
        schema: of what the server serves.
        photos: JPEG or PNG files. One that is missing or broken has an `error` in its place.
        batch: photos a request.

    Yields:
        The tags of each photo, in order.

    Raises:
        InputError: as `Client.predict`, or if the server answers about other attributes.
    """
    for start in range(0, len(photos), batch):
        some = photos[start : start + batch]
        contents, errors = zip(*map(read_photo, some), strict=True)
        outputs = client.predict(contents)
        missing = {"decoded", *schema.names} - outputs.keys()
        if missing:
            raise InputError(f"The server does not answer {', '.join(sorted(missing))}: it serves another export.")
        yield from (to_tags(schema, *pair) for pair in zip(some, to_answers(outputs, errors), strict=True))


def request_body(photos: Sequence[bytes], form: str) -> dict[str, Any]:
    """A request of TensorFlow Serving's REST interface, ready for JSON."""
    encoded = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
    if form == "row":
        return {"instances": [{"image_bytes": photo} for photo in encoded]}
    return {"inputs": {"image_bytes": encoded}}


def answer_arrays(answer: dict[str, Any]) -> dict[str, np.ndarray]:
    """The outputs in an answer to either form."""
    if "predictions" in answer:
        rows = answer["predictions"]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        columns = answer["outputs"]
    return {name: np.asarray(values, bool if name == "decoded" else np.float32) for name, values in columns.items()}


class _Rest:
    def __init__(self, url: str, timeout: float, retries: int, form: str) -> None:
        self.url, self.timeout, self.retries, self.form = f"{url}:predict", timeout, retries, form

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        body = json.dumps(request_body(photos, self.form)).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked
        return answer_arrays(_patiently(lambda: self._ask(request), self.retries))

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310 - http or https
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            kind = _TryAgainError if error.code in _BUSY else InputError
            raise kind(f"{self.url}: {error.code}: {_reason(error)}") from error
        except (OSError, HTTPException) as error:  # a URLError is an OSError
            raise _TryAgainError(f"{self.url}: cannot be reached: {getattr(error, 'reason', error)}.") from error
        except ValueError as error:
            raise InputError(f"{self.url}: answered with no JSON; is it TensorFlow Serving?") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """What TensorFlow Serving says in ``{"error": …}``, else what the status says."""
    try:
        return str(json.loads(error.read())["error"]).strip()
    except (ValueError, KeyError, TypeError, OSError):
        return error.reason


class _Grpc:
    def __init__(self, target: str, model: str, timeout: float, retries: int, *, secure: bool) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
        except ImportError as error:
            raise InputError("gRPC needs tensorflow-serving-api: pip install 'keras-sister[serving]'.") from error
        self.target, self.model, self.timeout, self.retries = target, model, timeout, retries
        credentials = grpc.ssl_channel_credentials() if secure else None
        channel = grpc.secure_channel(target, credentials) if secure else grpc.insecure_channel(target)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.new_request = predict_pb2.PredictRequest

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        import tensorflow as tf

        request = self.new_request()
        request.model_spec.name = self.model
        request.model_spec.signature_name = "serving_default"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(list(photos), shape=(len(photos),)))
        answer = _patiently(lambda: self._ask(request), self.retries)
        return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}

    def _ask(self, request: Any) -> Any:
        import grpc

        try:
            return self.stub.Predict(request, timeout=self.timeout)
        except grpc.RpcError as error:
            busy = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
            kind = _TryAgainError if error.code() in busy else InputError
            raise kind(f"grpc://{self.target}/{self.model}: {error.code().name}: {error.details()}") from error


class _TryAgainError(InputError):
    """The server is away or too busy, which may pass."""


def _patiently(ask: Callable[[], _Answered], retries: int) -> _Answered:
    for attempt in range(retries):
        try:
            return ask()
        except _TryAgainError:
            time.sleep(_FIRST_PAUSE * 2**attempt)
    return ask()
