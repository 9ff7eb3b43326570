"""Tag photos with a running TensorFlow Serving, over REST or gRPC.

http://127.0.0.1:8501/v1/models/sister_a      REST; or https://
grpc://127.0.0.1:8500/sister_a                gRPC, with the extra ``serving``; or grpcs://
"""

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import numpy as np

from keras_sister.client.grpc_client import GrpcClient
from keras_sister.client.rest_client import RestClient
from keras_sister.errors import InputError, check_choice
from keras_sister.photo_files import try_read
from keras_sister.schema import Schema
from keras_sister.serving.choices import REST_FORMATS
from keras_sister.serving.output_check import check_outputs
from keras_sister.serving.predictions import SCHEMA_HASH, Tags, to_predictions, to_tags
from keras_sister.storage.regular_files import check_regular

_MAX_TIMEOUT = 3600  # seconds
_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?", re.ASCII)
_REST_MODEL = re.compile(r"(.*/v1/models/[^/:]+(/(versions|labels)/[^/:]+)?)(:predict)?/?")
_OTHER_EXPORT = "the server serves another export; give its own --schema"
_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_GRPC_MODEL = re.compile(r"/([^/]+)/?")


class Client(Protocol):
    """A connection to a served model."""

    def predict(self, photos: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Call the signature ``serving_default`` with a batch.

        Args:
            photos: the bytes of JPEG, PNG or WebP files, at least one.

        Returns:
            The outputs by name, each with the batch first.

        Raises:
            InputError: if the server cannot be reached in time, or refuses the request, with the reason.
        """


def connect(
    url: str,
    *,
    timeout: float = 30,
    retries: int = 3,
    rest_format: str = "row",
    headers: Mapping[str, str] | None = None,
    tls_roots: Path | None = None,
) -> Client:
    """Connect to the model at a URL.

    Args:
        url: URL of the model, see the top of this module; for REST optionally with ``/versions/N`` or ``/labels/NAME``.
        timeout: time limit of one request, in seconds.
        retries: number of retries, with doubling pauses, while the server is unavailable or overloaded.
        rest_format: format of REST requests, one of `keras_sister.serving.choices.REST_FORMATS`.
        headers: HTTP headers, or gRPC metadata, of every request, such as ``{"Authorization": "Bearer …"}``.
        tls_roots: a PEM file of the certificate authorities to trust, for https and grpcs; by default the usual ones.

    Raises:
        InputError: for an invalid URL, timeout, format, header or file of certificates, or if the packages for gRPC
            are not installed.

    Example:
        >>> connect("http://127.0.0.1:8501/v1/models/sister_a").predict([Path("me.jpg").read_bytes()])["gender"]
        array([0.71], dtype=float32)
    """
    check_choice("rest_format", rest_format, REST_FORMATS)
    if not 0 < timeout <= _MAX_TIMEOUT:
        raise InputError(f"timeout must be more than 0 and at most {_MAX_TIMEOUT} seconds. Received: {timeout}")
    headers = dict(headers or {})
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise InputError(f"Header {name!r}: invalid; expected NAME: VALUE in printable ASCII.")
    if tls_roots is not None:
        _check_certificates(tls_roots)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # invalid brackets or port
        raise _invalid_url(url) from error
    if not _HOST.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise _invalid_url(url)
    if parts.scheme in ("http", "https") and (rest := _REST_MODEL.fullmatch(parts.path)):
        model_url = f"{parts.scheme}://{parts.netloc}{quote(rest[1], safe='/%')}"
        return RestClient(model_url, timeout, retries, rest_format, headers, tls_roots)
    if parts.scheme in ("grpc", "grpcs") and port and (model := _GRPC_MODEL.fullmatch(parts.path)):
        secure = parts.scheme == "grpcs"
        return GrpcClient(parts.netloc, model[1], timeout, retries, headers, tls_roots, secure=secure)
    raise _invalid_url(url)


def query_photos(
    client: Client, schema: Schema, photos: Sequence[str | Path], *, batch_size: int = 8
) -> Iterator[Tags]:
    """Tag photos with a server.

    Args:
        client: see `connect`.
        schema: attributes and classes of the served export.
        photos: JPEG, PNG or WebP files. A missing or damaged file gives tags with an `error`.
        batch_size: photos per request; a batching server accepts at most its ``max_batch_size``.

    Yields:
        The tags of each photo, in order.

    Raises:
        InputError: as `Client.predict`, or if the response does not match the schema.
    """
    for start in range(0, len(photos), batch_size):
        batch = list(map(str, photos[start : start + batch_size]))
        contents, errors = zip(*(try_read(Path(photo)) for photo in batch), strict=True)
        outputs = client.predict(contents)
        if SCHEMA_HASH not in outputs:
            raise InputError(f"The response has no output {SCHEMA_HASH}: {_OTHER_EXPORT}.")
        check_outputs(outputs, schema, len(batch), who="The response", why=_OTHER_EXPORT)
        predictions = to_predictions(outputs, contents, errors)
        yield from (to_tags(schema, *pair) for pair in zip(batch, predictions, strict=True))


def _check_certificates(file: Path) -> None:
    check_regular(file)
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{file}: not a PEM file of certificates.") from error


def _invalid_url(url: str) -> InputError:
    return InputError(f"{url}: expected http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME.")
