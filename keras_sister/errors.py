"""Errors that a user can fix."""

from collections.abc import Iterable


class InputError(ValueError):
    """A mistake in files, settings or arguments. The message names it and the way out in one or two lines.

    The command line prints the message without a traceback.
    """


def check_choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """Check that a value is one of the allowed ones.

    Raises:
        InputError: naming the setting and the allowed values.

    Example:
        >>> check_choice("precision", "float64", ("float32", "bfloat16"))
        InputError: precision must be one of float32, bfloat16. Received: 'float64'
    """
    if value not in (allowed := tuple(allowed)):
        raise InputError(f"{name} must be one of {', '.join(allowed)}. Received: {value!r}")
