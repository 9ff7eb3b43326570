"""YAML files of users: settings and datasets. What is written is what is read.

The values are those of YAML 1.2's core schema: only ``true`` and ``false`` are booleans, whole numbers are decimal. In
YAML 1.1, which PyYAML reads by itself, ``no`` is false, ``0100`` is 64, ``1:30`` is 90, and ``2024-01-01`` is a date;
here they are text. Aliases are refused, because a few hundred bytes of them unfold to gigabytes.
"""

import copy
import functools
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from keras_sister.errors import InputError, quoted, shortened
from keras_sister.storage.text_files import read_text

_MAX_BYTES = 200_000
_MAX_DEPTH = 20


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file of at most 200 kB.

    Returns:
        Dicts, lists, text, bool, int, finite float and None; None for an empty file.

    Raises:
        InputError: naming the file: if it is missing, too large, or not valid YAML; for aliases, tags, several
            documents, deep nesting, or a key that is there twice.

    Example:
        >>> read_yaml("settings.yaml")
        {'system': 'sister_a', 'learning_rate': 1e-05}
    """
    return _load(read_text(Path(path), max_bytes=_MAX_BYTES), str(path), _Loader)


def read_yaml_texts(path: str | Path, *, max_bytes: int) -> Any:
    """Read a YAML file in which every scalar is text, so that ``no``, ``0100`` and ``2024-01-01`` stay as they are.

    Args:
        path: the file.
        max_bytes: size from which it is refused unread.

    Returns:
        Dicts, lists and text; empty text for an empty value, None for an empty file.

    Raises:
        InputError: as `read_yaml` does.

    Example:
        >>> read_yaml_texts("products.yaml", max_bytes=10_000_000)["attributes"]
        {'scarf': ['no', 'yes']}
    """
    return _load(read_text(Path(path), max_bytes=max_bytes), str(path), _TextLoader)


def parse_yaml(text: str, name: str) -> Any:
    """What `read_yaml` reads of a file with this text.

    Args:
        text: the text.
        name: what the error names.

    Raises:
        InputError: as `read_yaml` does.
    """
    return _load(text, name, _Loader)


def to_yaml(content: Any, *, flow: bool | None = False) -> str:
    """The text of `content`, which `read_yaml` and readers of YAML 1.1 read as the same values.

    Args:
        content: dicts, lists and scalars.
        flow: None writes innermost lists and dicts as ``[…]`` and ``{…}``; False writes one value a line.
    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=flow)


def yaml_scalar(text: str) -> str:
    """A text as one line of YAML, quoted wherever a reader of either version would take it for something else."""
    line = yaml.dump([text], Dumper=_Dumper, allow_unicode=True, default_flow_style=True, width=2**30)
    return line.strip()[1:-1]


def _load(text: str, name: str, loader: type[yaml.SafeLoader]) -> Any:
    return copy.deepcopy(_parsed(text, name, loader))  # type: ignore[arg-type]  # a class can be hashed


@functools.lru_cache(maxsize=4)
def _parsed(text: str, name: str, loader: type[yaml.SafeLoader]) -> Any:
    """Kept, because a run's settings are read hundreds of times, and parsing them takes hundredths of a second."""
    try:
        _check(text)
        return yaml.load(text, Loader=loader)  # noqa: S506  # nosec B506 # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InputError(f"{name}: not a readable YAML file: {line}{shortened(error.problem)}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{name}: not a readable YAML file: {shortened(error)}") from error


def _check(text: str) -> None:
    """Refuse what can blow up, from the parser's events, before anything is made of them."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _wrong("aliases (& and *) are not allowed; write the value out", event)
        if tag := getattr(event, "tag", None):
            raise _wrong(f"tags (!) are not allowed: {shortened(tag)}", event)
        if depth > _MAX_DEPTH:
            raise _wrong(f"nested more than {_MAX_DEPTH} deep", event)
        if documents > 1:
            raise _wrong("more than one document (---)", event)


def _wrong(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


class _TextLoader(yaml.SafeLoader):
    """A SafeLoader to which every scalar is text, and without repeated keys."""

    yaml_implicit_resolvers: ClassVar[dict] = {}  # type: ignore[misc]  # a class variable in PyYAML, too

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | None):
                raise _wrong(f"a key must be text. Received: {quoted(key)}", key_node)
            if key in seen:
                raise _wrong(f"{quoted(key)} is there twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Loader(_TextLoader):
    """Knows the scalars of YAML 1.2, too."""


class _Dumper(yaml.SafeDumper):
    """Quotes text that either version of YAML would read as something else, and writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Only in double quotes are these escaped; PyYAML folds the line breaks of YAML otherwise.
    style = '"' if _BREAKS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_BREAKS = re.compile("[\n\r\x85\u2028\u2029\ufeff]")
_Dumper.add_representer(str, _represent_text)


_SCALARS = {
    "null": r"(?:~|null|Null|NULL|)",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)",
    "int": r"[-+]?(?:0|[1-9][0-9]{0,17})",
    "float": r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?",
}
for _name, _pattern in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^{_pattern}\Z"), None)
