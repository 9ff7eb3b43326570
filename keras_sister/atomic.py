"""Files that appear whole or not at all, whenever the process is killed."""

import os
from collections.abc import Callable
from pathlib import Path


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make a file beside `path`, with the same ending, and rename it when it is whole.

    Example:
        >>> write_aside(Path("summary.json"), lambda aside: aside.write_text("{}"))
    """
    aside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
