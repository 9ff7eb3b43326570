"""Retry with backoff, for servers that are unavailable or overloaded."""

import time
from collections.abc import Callable
from typing import TypeVar

from keras_sister.errors import InputError

FIRST_PAUSE = 0.5  # seconds before a retry; doubles each time
_MAX_LENGTH = 300  # characters of a server's message

_Result = TypeVar("_Result")


class RetryableError(InputError):
    """The server is unavailable or overloaded, which may be temporary."""


def retry(request: Callable[[], _Result], retries: int) -> _Result:
    """Call `request`; after a `RetryableError` call it again, at most `retries` times."""
    for attempt in range(retries):
        try:
            return request()
        except RetryableError:
            time.sleep(FIRST_PAUSE * 2**attempt)
    return request()


def first_line(message: object) -> str:
    """The first line of a server's message, shortened."""
    lines = str(message).strip().splitlines() or [""]
    return lines[0][:_MAX_LENGTH]
