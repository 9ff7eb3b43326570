"""Ask a running TensorFlow Serving about photos, over REST or gRPC.

http://127.0.0.1:8501/v1/models/sister_a      REST, as in TensorFlow Serving's documentation; or https://
grpc://127.0.0.1:8500/sister_a                gRPC, by the extra ``serving``; or grpcs://
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.serving.answers import Tags, to_answers, to_tags
from keras_sister.serving.grpc_client import GrpcClient
from keras_sister.serving.photo_files import read_photo
from keras_sister.serving.rest_client import RestClient

_LONGEST = 3600  # seconds
_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?", re.ASCII)
_REST_MODEL = re.compile(r"(.*/v1/models/[^/:]+(/(versions|labels)/[^/:]+)?)(:predict)?/?")
_GRPC_MODEL = re.compile(r"/([^/]+)/?")


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
        url: of a model, as at the top of this module; for REST perhaps of ``/versions/N`` or ``/labels/NAME`` of it.
        timeout: seconds that one request may take.
        retries: how often a request is repeated that found the server away or too busy, after pauses that double.
        form: of REST requests, see `keras_sister.serving.rest_client.FORMS`.

    Raises:
        InputError: if the URL is of no such form, the timeout no such number, or gRPC is not installed.

    Example:
        >>> connect("http://127.0.0.1:8501/v1/models/sister_a").predict([Path("me.jpg").read_bytes()])["gender"]
        array([0.71], dtype=float32)
    """
    if not 0 < timeout <= _LONGEST:
        raise InputError(f"timeout must be more than 0 and at most {_LONGEST} seconds. Received: {timeout}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # brackets that are no address, or no port
        raise _no_model(url) from error
    if not _HOST.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise _no_model(url)
    if parts.scheme in ("http", "https") and (rest := _REST_MODEL.fullmatch(parts.path)):
        return RestClient(f"{parts.scheme}://{parts.netloc}{quote(rest[1], safe='/%')}", timeout, retries, form)
    if parts.scheme in ("grpc", "grpcs") and port and (model := _GRPC_MODEL.fullmatch(parts.path)):
        return GrpcClient(parts.netloc, model[1], timeout, retries, secure=parts.scheme == "grpcs")
    raise _no_model(url)


def query_photos(client: Client, schema: Schema, photos: Sequence[Path], *, batch: int = 8) -> Iterator[Tags]:
    """Ask a server about photos.

    Args:
        client: of `connect`.
        schema: of what the server serves.
        photos: JPEG or PNG files. One that is missing or broken has an `error` in its place.
        batch: photos a request; a server that makes batches takes no more than its ``max_batch_size``.

    Yields:
        The tags of each photo, in order.

    Raises:
        InputError: as `Client.predict`, or if the server answers as an export of another schema would.
    """
    for start in range(0, len(photos), batch):
        some = photos[start : start + batch]
        contents, errors = zip(*map(read_photo, some), strict=True)
        outputs = client.predict(contents)
        _check(outputs, schema, len(some))
        yield from (to_tags(schema, *pair) for pair in zip(some, to_answers(outputs, errors), strict=True))


def _no_model(url: str) -> InputError:
    return InputError(f"{url}: expected http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME.")


def _check(outputs: Mapping[str, np.ndarray], schema: Schema, photos: int) -> None:
    """Make sure that outputs are those of an export of this schema, for so many photos."""
    shapes: dict[str, tuple[int, ...]] = {
        a.name: (photos,) if a.is_binary else (photos, len(a.classes)) for a in schema
    }
    missing = {"decoded", *shapes} - outputs.keys()
    if missing:
        raise InputError(f"The server does not answer {', '.join(sorted(missing))}: it serves another export.")
    if "person_share" in outputs:
        shapes["person_share"] = (photos,)
    for name, shape in {**shapes, "decoded": (photos,)}.items():
        found = outputs[name]
        if found.shape != shape or found.dtype.kind != ("b" if name == "decoded" else "f"):
            raise InputError(
                f"The server answers {name} as {found.dtype} {found.shape}; {shape} was expected of this schema: it"
                " serves another export."
            )
        if not np.isfinite(found).all():
            raise InputError(f"The server answers {name} with what is no number.")
