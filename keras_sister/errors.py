"""Errors that a user can fix."""

from collections.abc import Iterable

_QUOTED = 80
"""The most characters of a wrong value that a message shows."""

_REASON = 200

_DISK_FULL = "No space left on device"


class InputError(ValueError):
    """A mistake in files, settings or arguments. The message names it and the way out in one or two lines.

    The command line prints the message without a traceback.
    """


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 photo``, ``1,856 photos``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quoted(value: object) -> str:
    """A wrong value for a message: its ``repr`` on one line, at most 80 characters.

    Example:
        >>> quoted("x" * 1000)
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    """
    if isinstance(value, str):
        value = value[: _QUOTED + 1]  # a long text is not copied to be cut
    return shortened(repr(value))


def shortened(text: object) -> str:
    """A text of unknown origin for a message, such as another library's error: on one line, at most 80 characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= _QUOTED else f"{line[: _QUOTED - 1]}…"


def reason_of(error: BaseException) -> str:
    """What another library's error says, for a message: its first line, at most 200 characters, without a full stop.

    An error of the operating system names no file here, as the message does so; one without a text is told by its type.

    Example:
        >>> reason_of(ValueError("bad magic number\\nin block 3"))
        'bad magic number'
    """
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if _DISK_FULL in str(error):  # TensorFlow's and Arrow's errors say much before it
        return _DISK_FULL
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = next((" ".join(line.split()) for line in said.splitlines() if line.strip()), type(error).__name__)
    return (line if len(line) <= _REASON else f"{line[: _REASON - 1]}…").removesuffix(".")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, NumPy's, TensorFlow's or JAX's, without importing these."""
    exhausted = type(error).__name__ == "ResourceExhaustedError" and _DISK_FULL not in str(error)
    of_jax = type(error).__name__ == "JaxRuntimeError" and "RESOURCE_EXHAUSTED" in str(error)
    return isinstance(error, MemoryError) or exhausted or of_jax


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, of whatever library, says that the disk is full."""
    return reason_of(error) == _DISK_FULL


def check_choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """Check that a value is one of the allowed ones.

    Raises:
        InputError: naming the setting and the allowed values.

    Example:
        >>> check_choice("precision", "float64", ("float32", "bfloat16"))
        InputError: precision must be one of float32, bfloat16. Received: 'float64'
    """
    if value not in (allowed := tuple(allowed)):
        raise InputError(f"{name} must be one of {', '.join(allowed)}. Received: {quoted(value)}")
