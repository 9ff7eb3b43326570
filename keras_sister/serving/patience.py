"""Asking a server again that is away or busy."""

import time
from collections.abc import Callable
from typing import TypeVar

from keras_sister.errors import InputError

_FIRST_PAUSE = 0.5  # seconds before the first repetition; then twice as long each time
_LONGEST = 300  # letters of a server's words

_Answered = TypeVar("_Answered")


class TryAgainError(InputError):
    """The server is away or too busy, which may pass."""


def patiently(ask: Callable[[], _Answered], retries: int) -> _Answered:
    """What `ask` returns, once it raises no `TryAgainError` or was repeated so often."""
    for attempt in range(retries):
        try:
            return ask()
        except TryAgainError:
            time.sleep(_FIRST_PAUSE * 2**attempt)
    return ask()


def in_short(words: object) -> str:
    """The first line of what a server says, which may be a page long."""
    lines = str(words).strip().splitlines() or [""]
    return lines[0][:_LONGEST]
