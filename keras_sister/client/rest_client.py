"""Client of TensorFlow Serving over REST."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

import numpy as np

from keras_sister.client.retry import RetryableError, first_line, retry
from keras_sister.errors import InputError

_RETRYABLE = (429, 502, 503, 504)


class RestClient:
    """A REST client; see `keras_sister.client.connect.Client`.

    Args:
        model: ``http://HOST:PORT/v1/models/NAME``, optionally with a version; or https.
        timeout, retries, rest_format: see `keras_sister.client.connect.connect`.
    """

    def __init__(self, model: str, timeout: float, retries: int, rest_format: str) -> None:
        self.url, self.timeout, self.retries, self.rest_format = f"{model}:predict", timeout, retries, rest_format

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """See `keras_sister.client.connect.Client`."""
        body = json.dumps(request_body(photos, self.rest_format)).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked
        response = retry(lambda: self._send(request), self.retries)
        try:
            return response_arrays(json.loads(response))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self.url}: unexpected response; expected that of TensorFlow Serving.") from error

    def _send(self, request: urllib.request.Request) -> bytes:
        end = time.monotonic() + self.timeout
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:  # noqa: S310 - http or https
                return _read(response, end)
        except urllib.error.HTTPError as error:
            kind = RetryableError if error.code in _RETRYABLE else InputError
            raise kind(f"{self.url}: {error.code}: {_reason(error)}") from error
        except (OSError, HTTPException) as error:  # a URLError is an OSError
            raise RetryableError(f"{self.url}: cannot be reached: {getattr(error, 'reason', error)}.") from error


def request_body(photos: Sequence[bytes], rest_format: str) -> dict[str, Any]:
    """The JSON body of a request, in one of the formats `keras_sister.serving.choices.REST_FORMATS`."""
    encoded = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
    if rest_format == "row":
        return {"instances": [{"image_bytes": photo} for photo in encoded]}
    return {"inputs": {"image_bytes": encoded}}


def response_arrays(response: dict[str, Any]) -> dict[str, np.ndarray]:
    """The outputs in a response of either format."""
    if "predictions" in response:
        rows = response["predictions"]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        columns = response["outputs"]
    return {name: np.asarray(values, bool if name == "decoded" else np.float32) for name, values in columns.items()}


def _read(response: HTTPResponse, end: float) -> bytes:
    """Read the whole response within the time limit; the timeout of a socket applies to each piece."""
    pieces = []
    while piece := response.read1(1 << 16):
        pieces.append(piece)
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    if response.length:
        raise IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _reason(error: urllib.error.HTTPError) -> str:
    """TensorFlow Serving's message in ``{"error": …}``, else the HTTP reason."""
    try:
        return first_line(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return error.reason
