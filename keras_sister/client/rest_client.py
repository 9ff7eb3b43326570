"""Client of TensorFlow Serving over REST."""

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from keras_sister.client.proxy import rest_proxies, rest_proxy, through
from keras_sister.client.retry import FIRST_PAUSE, RetryableError, first_line, retry
from keras_sister.errors import InputError
from keras_sister.serving.predictions import DECISIONS, DECODED, SCHEMA_HASH

_RETRYABLE = (429, 502, 503, 504)
_LONGEST_PAUSE = 30  # seconds, also where the server asks for a longer one
_PIECE = 1 << 16
_DTYPES = {DECODED: bool, SCHEMA_HASH: str, DECISIONS: None}  # None: integers, unless the server says otherwise


class RestClient:
    """A REST client; see `keras_sister.client.connect.Client`.

    A proxy of the environment is used, except on loopback. Redirects are refused, because they would carry photos and
    headers elsewhere.

    Args:
        model: ``http://HOST:PORT/v1/models/NAME``, optionally with a version; or https.
        timeout, retries, rest_format, headers, tls_roots: see `keras_sister.client.connect.connect`.
    """

    def __init__(
        self,
        model: str,
        timeout: float,
        retries: int,
        rest_format: str,
        headers: Mapping[str, str],
        tls_roots: Path | None,
    ) -> None:
        self.url, self.timeout, self.retries, self.rest_format = f"{model}:predict", timeout, retries, rest_format
        self._through = through(rest_proxy(self.url))
        self._session = _Session()
        self._session.trust_env = False  # no passwords of .netrc, and proxies as chosen here
        self._session.proxies = rest_proxies(self.url)
        self._session.verify = str(tls_roots) if tls_roots else os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._session.headers.update({"Content-Type": "application/json", **headers})
        policy = Retry(
            retries,
            redirect=False,
            status_forcelist=_RETRYABLE,
            allowed_methods=["POST"],  # a prediction changes nothing on the server
            backoff_factor=FIRST_PAUSE,
            backoff_max=_LONGEST_PAUSE,
            retry_after_max=_LONGEST_PAUSE,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=policy))

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """See `keras_sister.client.connect.Client`."""
        body = json.dumps(request_body(photos, self.rest_format)).encode()
        response = retry(lambda: self._send(body), self.retries)
        try:
            return response_arrays(json.loads(response))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.url}: unexpected response; expected that of TensorFlow Serving{self._through}."
            ) from error

    def _send(self, body: bytes) -> bytes:
        """Send a request; the session's adapter retries, except where a response breaks off."""
        try:
            response = self._session.post(self.url, body, timeout=self.timeout, stream=True, allow_redirects=False)
        except requests.Timeout as error:
            raise InputError(self._timed_out()) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            if isinstance(error, requests.ConnectionError) and "timed out" in str(error):
                raise InputError(self._timed_out()) from error
            raise InputError(f"{self.url}: cannot be reached: {_cause(error)}{self._through}.") from error
        with response:
            if response.is_redirect or 300 <= response.status_code < 400:
                raise InputError(
                    f"{self.url}: redirects to {self._target(response)}{self._through}; redirects are not followed:"
                    " give its URL."
                )
            content = self._read(response)
        if response.status_code != requests.codes.ok:
            raise InputError(f"{self.url}: {response.status_code}: {_reason(content, response)}{self._through}")
        return content

    def _read(self, response: requests.Response) -> bytes:
        """Read the whole response within the time limit; the timeout of a socket applies to each piece."""
        end, pieces = time.monotonic() + self.timeout, []
        try:
            while piece := response.raw.read1(_PIECE, decode_content=True):
                pieces.append(piece)
                if time.monotonic() > end:
                    raise InputError(self._timed_out())
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if "timed out" in str(error):
                raise InputError(self._timed_out()) from error
            raise RetryableError(f"{self.url}: the response broke off: {first_line(error)}{self._through}.") from error
        return b"".join(pieces)

    def _target(self, response: requests.Response) -> str:
        location = first_line(response.headers.get("Location", ""))
        try:
            return urljoin(self.url, location)
        except ValueError:  # not a URL
            return location

    def _timed_out(self) -> str:
        return f"{self.url}: timed out: no complete response within {self.timeout:g} s (--timeout){self._through}."


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: redirects are not followed, and requests would raise several kinds of errors for invalid ones."""


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
    return {name: np.asarray(values, _DTYPES.get(name, np.float32)) for name, values in columns.items()}


def _cause(error: BaseException) -> str:
    """The innermost reason: urllib3 wraps it several times, with addresses of objects."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next(
            (argument for argument in getattr(reason, "args", ()) if isinstance(argument, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            return first_line(getattr(reason, "strerror", None) or str(reason).rpartition(">: ")[2])
        reason = inner


def _reason(content: bytes, response: requests.Response) -> str:
    """TensorFlow Serving's message in ``{"error": …}``, else the HTTP reason."""
    try:
        return first_line(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return first_line(response.reason)
