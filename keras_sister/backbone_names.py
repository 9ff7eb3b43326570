"""Names of backbones: those of the installed ``keras.applications``, files of your own, presets of KerasHub.

Imports no Keras.
"""

import ast
import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from keras_sister.errors import InputError

PAPERS_BACKBONES = frozenset({"resnet50", "resnet101", "resnet152"})
"""Those of the paper. Pooled they are equally wide, by the last map and by all levels."""

_HASH = "#sha256="
_PRESET = "keras_hub:"
_PRESET_FILES = {".json", ".h5", ".safetensors", ".bin"}
"""Endings of the files in a preset's folder that say what it computes."""


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
    return not is_preset(backbone) and Path(_split(backbone)[0]).suffix == ".keras"


def is_preset(backbone: str) -> bool:
    """Whether a backbone is a preset of KerasHub: ``keras_hub:PRESET_OR_FOLDER``."""
    return backbone.startswith(_PRESET) and backbone != _PRESET


def brings_weights(backbone: str) -> bool:
    """Whether a backbone comes with trained weights of its own, whatever ``--weights`` says."""
    return is_file(backbone) or is_preset(backbone)


def split_file(backbone: str) -> tuple[Path, str | None]:
    """The file of a backbone of your own, and the hash of its content that was recorded, if one was."""
    path, recorded = _split(backbone)
    return Path(path), recorded


def split_preset(backbone: str) -> tuple[str, str | None]:
    """The name, handle or folder of a preset, and the hash of the folder's content that was recorded, if one was."""
    place, recorded = _split(backbone)
    return place.removeprefix(_PRESET), recorded


def preset_folder(place: str) -> Path | None:
    """The folder of a preset; None for the name or handle of one that KerasHub downloads.

    Raises:
        InputError: for a path that is no folder.
    """
    if Path(place).is_dir():
        return Path(place)
    if "://" not in place and ("/" in place or place.startswith((".", "~"))):
        raise InputError(f"backbone: no such folder: {place}.")
    return None


def with_hash(backbone: str) -> str:
    """The absolute path of a backbone's file or folder with the hash of its content.

    A name and a hash that is recorded already stay as they are.

    Raises:
        InputError: if the file or folder cannot be read.

    Example:
        >>> with_hash("mine.keras")
        '/home/me/mine.keras#sha256=…'
    """
    if is_preset(backbone):
        place, recorded = split_preset(backbone)
        if recorded:
            return f"{_PRESET}{Path(place).absolute()}{_HASH}{recorded}"
        folder = preset_folder(place)
        return backbone if folder is None else f"{_PRESET}{folder.absolute()}{_HASH}{folder_hash(folder)}"
    if not is_file(backbone):
        return backbone
    path, recorded = split_file(backbone)
    return f"{path.absolute()}{_HASH}{recorded or content_hash(path)}"


def without_place(backbone: str) -> str:
    """What a backbone is, wherever its file or folder lies: a name, or the hash of the content."""
    return (brings_weights(backbone) and _split(backbone)[1]) or backbone


def short_name(backbone: str) -> str:
    """A name for tables and folders: that of the network, or of the file or preset without its folder."""
    if is_preset(backbone):
        parts = split_preset(backbone)[0].split("/")
        return next((part for part in reversed(parts) if part and not part.isdigit()), "preset")  # 1 is a version
    return split_file(backbone)[0].stem if is_file(backbone) else backbone


def shown_name(backbone: str) -> str:
    """A name for pages: that of the network, or the file's with digits of its hash: ``mine.keras#1a2b3c4d``."""
    if not brings_weights(backbone):
        return backbone
    place, recorded = _split(backbone)
    name = short_name(backbone) if is_preset(backbone) else Path(place).name
    return f"{name}#{recorded[:8]}" if recorded else name


def content_hash(path: Path) -> str:
    """The SHA-256 of a backbone's file.

    Raises:
        InputError: if it cannot be read, naming it.
    """
    if not path.is_file():
        raise InputError(f"backbone: no such file: {path}.")
    try:
        with path.open("rb") as contents:
            return hashlib.file_digest(contents, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error


def folder_hash(folder: Path) -> str:
    """The SHA-256 of the names and contents of a preset's files: its settings and its weights.

    ``metadata.json``, which says when and by which version a preset was written, is left out.

    Raises:
        InputError: if the folder holds no preset, or a file cannot be read, naming it.
    """
    files = sorted(file for file in folder.glob("[!.]*") if file.suffix in _PRESET_FILES and file.is_file())
    if folder / "config.json" not in files:
        raise InputError(f"{folder}: has no config.json; expected a folder that KerasHub's save_to_preset wrote.")
    lines = [f"{file.name} {content_hash(file)}\n" for file in files if file.name != "metadata.json"]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _split(backbone: str) -> tuple[str, str | None]:
    place, _, recorded = backbone.partition(_HASH)
    return place, recorded or None
