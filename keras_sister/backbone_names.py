"""Names of backbones: those of the installed ``keras.applications``, and files of your own. Imports no Keras."""

import ast
import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from keras_sister.errors import InputError

_HASH = "#sha256="


@cache
def applications() -> dict[str, str]:
    """The networks of the installed ``keras.applications``: our name of each, and Keras's.

    They are read from Keras's source, because importing Keras takes seconds.

    Example:
        >>> applications()["efficientnetv2-b0"]
        'EfficientNetV2B0'
    """
    keras = find_spec("keras")
    if keras is None or keras.origin is None:
        return {}
    text = (Path(keras.origin).parent / "applications" / "__init__.py").read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    networks = [
        alias.name for node in imports if (node.module or "").startswith("keras.src.applications.")
        for alias in node.names
    ]  # fmt: skip
    return {_our_name(network): network for network in sorted(networks)}


def _our_name(network: str) -> str:
    """In lower case, as Keras names its models: ``efficientnetv2-b0``, ``convnext_tiny``, ``densenet121``."""
    return re.sub("^(efficientnetv2)", r"\1-", re.sub("^(convnext)", r"\1_", network.lower()))


def same_letters(name: str) -> str:
    """A name without case, hyphens and underscores: ``EfficientNetV2B0`` and ``efficientnetv2-b0`` are one network."""
    return re.sub("[-_]", "", name.lower())


def is_file(backbone: str) -> bool:
    """Whether a backbone is the ``.keras`` file of a model of your own."""
    return split_file(backbone)[0].suffix == ".keras"


def split_file(backbone: str) -> tuple[Path, str | None]:
    """The file of a backbone of your own, and the hash of its content that was recorded, if one was."""
    path, _, recorded = backbone.partition(_HASH)
    return Path(path), recorded or None


def with_hash(backbone: str) -> str:
    """The absolute path of a backbone's file with the hash of its content: ``/home/me/mine.keras#sha256=…``.

    A name and a hash that is recorded already stay as they are.

    Raises:
        InputError: if the file cannot be read.
    """
    if not is_file(backbone):
        return backbone
    path, recorded = split_file(backbone)
    return f"{path.absolute()}{_HASH}{recorded or content_hash(path)}"


def without_place(backbone: str) -> str:
    """What a backbone is, wherever its file lies: a name, or the hash of the file's content."""
    return (is_file(backbone) and split_file(backbone)[1]) or backbone


def short_name(backbone: str) -> str:
    """A name for tables and folders: that of the network, or of the file without its folder."""
    return split_file(backbone)[0].stem if is_file(backbone) else backbone


def shown_name(backbone: str) -> str:
    """A name for pages: that of the network, or the file's with digits of its hash: ``mine.keras#1a2b3c4d``."""
    if not is_file(backbone):
        return backbone
    path, recorded = split_file(backbone)
    return f"{path.name}#{recorded[:8]}" if recorded else path.name


def content_hash(path: Path) -> str:
    """The SHA-256 of a backbone's file.

    Raises:
        InputError: if it cannot be read, naming it.
    """
    if not path.is_file():
        raise InputError(f"backbone: no such file: {path}.")
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
