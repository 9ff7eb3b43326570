"""TensorFlow Serving over REST, as its documentation has it."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

import numpy as np

from keras_sister.errors import InputError
from keras_sister.serving.patience import TryAgainError, in_short, patiently

FORMS = ("row", "column")
"""How requests are written: ``instances``, one object a photo, or ``inputs``, one list an input."""

_BUSY = (429, 502, 503, 504)


class RestClient:
    """A client (see `keras_sister.serving.client.Client`).

    Args:
        model: ``http://HOST:PORT/v1/models/NAME``, perhaps of a version; or https.
        timeout, retries, form: see `keras_sister.serving.client.connect`.
    """

    def __init__(self, model: str, timeout: float, retries: int, form: str) -> None:
        self.url, self.timeout, self.retries, self.form = f"{model}:predict", timeout, retries, form

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Ask about a batch."""
        body = json.dumps(request_body(photos, self.form)).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked
        answer = patiently(lambda: self._ask(request), self.retries)
        try:
            return answer_arrays(json.loads(answer))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self.url}: answered otherwise than TensorFlow Serving does.") from error

    def _ask(self, request: urllib.request.Request) -> bytes:
        end = time.monotonic() + self.timeout
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310 - http or https
                return _read(answer, end)
        except urllib.error.HTTPError as error:
            kind = TryAgainError if error.code in _BUSY else InputError
            raise kind(f"{self.url}: {error.code}: {_reason(error)}") from error
        except (OSError, HTTPException) as error:  # a URLError is an OSError
            raise TryAgainError(f"{self.url}: cannot be reached: {getattr(error, 'reason', error)}.") from error


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


def _read(answer: HTTPResponse, end: float) -> bytes:
    """The whole answer; the time limit of a socket is for each of its pieces."""
    pieces = []
    while piece := answer.read1(1 << 16):
        pieces.append(piece)
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    if answer.length:
        raise IncompleteRead(b"", answer.length)
    return b"".join(pieces)


def _reason(error: urllib.error.HTTPError) -> str:
    """What TensorFlow Serving says in ``{"error": …}``, else what the status says."""
    try:
        return in_short(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return error.reason
