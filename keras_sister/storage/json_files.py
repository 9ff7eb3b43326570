"""JSON files: written atomically, read with an error that names the file.

No file holds NaN or an infinity, which JSON does not have: a number that is none is written as ``null``, and a file
with one is refused.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from keras_sister.errors import InputError, shortened
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.text_files import read_text

_MAX_BYTES = 100_000_000


def read_json(
    path: Path, *, max_bytes: int = _MAX_BYTES, on_object: Callable[[dict[str, Any]], Any] | None = None
) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        max_bytes: size from which it is refused unread.
        on_object: is called with each object when it has been read; what it returns takes its place.

    Raises:
        InputError: if the file is missing, too large or not valid JSON, naming it.

    Example:
        >>> read_json(Path("runs/sister_a/summary.json"))["macc"]["mean"]
        0.784
    """
    return parse_json(read_text(path, max_bytes=max_bytes), str(path), on_object=on_object)


def parse_json(text: str, name: str, *, on_object: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What `read_json` reads of a file with this text.

    Args:
        text: the text.
        name: what the error names.
        on_object: see `read_json`.

    Raises:
        InputError: if it is not valid JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_hook=on_object)
    except RecursionError as error:
        raise InputError(f"{name}: not a readable JSON file: nested too deeply.") from error
    except ValueError as error:
        raise InputError(f"{name}: not a readable JSON file: {shortened(error)}") from error


def to_json(content: Any) -> str:
    """The text of `content` as JSON, with ``null`` for numbers that are not finite.

    What an object or a list holds is on lines of its own; an element of a list is on one, unless it holds objects.

    Example:
        >>> print(to_json({"std": float("nan"), "folds": [{"photos": 3}, {"photos": 4}]}))
        {
         "std": null,
         "folds": [
          {"photos": 3},
          {"photos": 4}
         ]
        }
    """
    return "".join(_pieces(content, "\n"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, atomically, as `to_json` does; its text is never in memory as a whole."""

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(_pieces(content, "\n"))
            stream.write("\n")

    write_atomically(path, write)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _pieces(content: Any, line: str) -> Iterator[str]:
    """The text of `content`, which stands in lines that begin with `line`: a line break and the indentation."""
    if isinstance(content, dict) and content:
        separator = "{"
        for name, value in content.items():
            yield f"{separator}{line} {_on_one_line(str(name))}: "
            yield from _pieces(value, f"{line} ")
            separator = ","
        yield f"{line}}}"
    elif isinstance(content, list | tuple) and content:
        separator = "["
        for value in content:
            yield f"{separator}{line} "
            yield from _pieces(value, f"{line} ") if _holds_objects(value) else [_on_one_line(value)]
            separator = ","
        yield f"{line}]"
    else:
        yield _on_one_line(content)


def _holds_objects(element: Any) -> bool:
    return isinstance(element, dict) and any(isinstance(value, dict) for value in element.values())


def _on_one_line(content: Any) -> str:
    try:
        return json.dumps(content, allow_nan=False)  # by code in C, which knows no indentation
    except ValueError:
        return json.dumps(_with_nulls(content), allow_nan=False)


def _with_nulls(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _with_nulls(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_with_nulls(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
