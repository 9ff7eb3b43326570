"""JSON files: written atomically, read with an error that names the file."""

import json
from pathlib import Path
from typing import Any

from keras_sister.errors import InputError
from keras_sister.storage.atomic import write_atomically


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: if the file is missing or is not valid JSON, naming it.

    Example:
        >>> read_json(Path("runs/sister_a/summary.json"))["macc"]["mean"]
        0.784
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file: {error}") from error


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, atomically."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
