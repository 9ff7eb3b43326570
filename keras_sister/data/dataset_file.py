"""The dataset file: how the columns of a table become photos and labels.

    table: products.csv            # CSV, TSV, XLSX, JSON Lines or Parquet
    folder: images                 # the photos' paths are relative to it; the table's folder by default
    photo: image                   # column of paths
    group: product_id              # column; photos of one group are never split between training and test
    weight: importance             # column of numbers; a photo's weight in the loss
    split: subset                  # column of train, val or test, for `cv --split`
    unknown: ["", "?", n/a]        # cells that are no label; [""] by default
    on_unknown_value: error        # or unknown: cells that fit no class
    attributes:
      neckline: [v_shape, round, other]
      scarf: {classes: ["no", "yes"], spellings: {"0": "no", Y: "yes"}, title: "Scarf?", blank: "no"}
      colours: {separator: ";", values: [red, blue, green]}     # one binary attribute each: colours_red, …

Every scalar is read as text, so that ``no`` and ``2024-01-01`` stay classes.
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from keras_sister.data.choices import ON_UNKNOWN_VALUE
from keras_sister.data.names import comparable, to_name
from keras_sister.errors import InputError, check_choice, quoted, shortened
from keras_sister.schema import Attribute, Schema
from keras_sister.storage.yaml_files import read_yaml_texts

_KEYS = ("table", "folder", "photo", "group", "weight", "split", "unknown", "on_unknown_value", "attributes")
_COLUMN_KEYS = ("classes", "separator", "values", "spellings", "title", "blank")
_MAX_BYTES = 10_000_000


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels.

    Attributes:
        name: name of the attribute; of several values in a cell, the first part of their names.
        classes: the classes in label order, or the values that a cell may list.
        title: heading of the column; `name` if the table has no such heading.
        spellings: class by other spelling.
        separator: between several values in a cell; None for one class a cell.
        blank: meaning of a blank cell, instead of unknown: a class, or ``none`` of the values.

    Raises:
        InputError: for names, classes, spellings or a meaning of blank cells that contradict each other.
    """

    name: str
    classes: tuple[str, ...]
    title: str = ""
    spellings: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    blank: str | None = None

    def __post_init__(self) -> None:
        place = shortened(self.name)
        compared = [comparable(c) for c in self.classes]
        if twice := next((c for c, key in zip(self.classes, compared, strict=True) if compared.count(key) > 1), None):
            raise InputError(f"{place}: {quoted(twice)} occurs twice; classes are compared without regard to case.")
        if "" in compared:
            raise InputError(f"{place}: a class is blank; 'blank:' says what a blank cell means.")
        meanings: dict[str, str] = {}
        for spelling, meant in self.spellings.items():
            if meanings.setdefault(comparable(spelling), meant) != meant:
                raise InputError(
                    f"{place}: {quoted(spelling)} is to mean {quoted(meanings[comparable(spelling)])} and"
                    f" {quoted(meant)}; spellings are compared without regard to case."
                )
            if meant not in self.classes:
                raise InputError(
                    f"{place}: {quoted(spelling)} is to mean {quoted(meant)}, which is not a class.{self._near(meant)}"
                )
            if comparable(spelling) in compared and comparable(spelling) != comparable(meant):
                raise InputError(f"{place}: {quoted(spelling)} is a class; it cannot mean {quoted(meant)}.")
        allowed = self.classes if self.separator is None else ("none",)
        if self.blank is not None and self.blank not in allowed:
            expected = shortened(", ".join(allowed))
            raise InputError(f"{place}: blank must be one of {expected}. Received: {quoted(self.blank)}")
        if len({attribute.name for attribute in self.attributes}) < len(self.attributes):
            raise InputError(f"{place}: two values have the same name once reduced to letters, digits and '_'.")

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes of the column: one, or a binary one for each value."""
        if self.separator is None:
            return (Attribute(self.name, self.classes),)
        return tuple(Attribute(f"{self.name}_{to_name(value) or i}") for i, value in enumerate(self.classes, start=1))

    @cached_property
    def meanings(self) -> dict[str, int]:
        """The index of each class by every spelling of it, as `comparable`."""
        places = {c: i for i, c in enumerate(self.classes)}
        spelled = {comparable(spelling): places[meant] for spelling, meant in self.spellings.items()}
        return {**spelled, **{comparable(c): i for c, i in places.items()}}

    def nearest(self, text: str) -> str | None:
        """The class that a misspelt cell may mean."""
        by_key = {comparable(c): c for c in [*self.spellings, *self.classes]}
        near = difflib.get_close_matches(comparable(text), by_key, n=1)
        return self.spellings.get(by_key[near[0]], by_key[near[0]]) if near else None

    def _near(self, text: str) -> str:
        near = difflib.get_close_matches(text, self.classes, n=1)
        return f" Did you mean {quoted(near[0])}?" if near else ""


@dataclass(frozen=True)
class DatasetFile:
    """The content of a dataset file; see this module.

    Attributes:
        path: the file.
        table, folder: paths, as they are from the working directory.
        photo, group, weight, split: headings of columns.
        unknown: cells that are no label.
        on_unknown_value: one of `ON_UNKNOWN_VALUE`.
        columns: the columns of labels.
        schema: their attributes.
    """

    path: Path
    table: Path
    folder: Path
    photo: str
    group: str | None
    weight: str | None
    split: str | None
    unknown: tuple[str, ...]
    on_unknown_value: str
    columns: tuple[LabelColumn, ...]
    schema: Schema

    def photo_path(self, cell: str) -> Path:
        """The path that a cell of the photo column names, without ``..``."""
        return Path(os.path.normpath(self.photo_folder / cell))

    @cached_property
    def photo_folder(self) -> Path:
        """`folder` without ``..``, which after a symbolic link leads elsewhere than its name says."""
        plain, real = Path(os.path.normpath(self.folder)), self.folder.resolve()
        return plain if plain.resolve() == real else real


def path_in_file(path: Path, file: Path) -> str:
    """A path as the dataset file `file` names it: relative to its folder, with links followed before ``..``."""
    return Path(os.path.relpath(path.resolve(), file.parent.resolve())).as_posix()


def read_dataset_file(path: str | Path) -> DatasetFile:
    """Read a dataset file, without its table.

    Raises:
        InputError: naming the file and the key.
    """
    path = Path(path)
    content = _load(path)
    try:
        _check_keys(content, _KEYS, "")
        attributes = content.get("attributes")
        if not isinstance(attributes, dict) or not attributes:
            raise InputError("attributes: expected lines of 'name: [class, class]'.")
        unknown = _texts(content.get("unknown", [""]), "unknown")
        columns = tuple(_column(name, value) for name, value in attributes.items())
        for column in columns:
            _check_unknown(column, unknown)
        table = path.parent / _text(content, "table")
        on_unknown_value = content.get("on_unknown_value", "error")
        check_choice("on_unknown_value", on_unknown_value, ON_UNKNOWN_VALUE)
        return DatasetFile(
            path=path,
            table=table,
            folder=path.parent / _text(content, "folder") if "folder" in content else table.parent,
            photo=_text(content, "photo"),
            **{key: _text(content, key) if key in content else None for key in ("group", "weight", "split")},
            unknown=unknown,
            on_unknown_value=on_unknown_value,
            columns=columns,
            schema=Schema(tuple(attribute for column in columns for attribute in column.attributes)),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _load(path: Path) -> dict[str, Any]:
    content = read_yaml_texts(path, max_bytes=_MAX_BYTES)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected lines of 'key: value', such as 'table: products.csv'.")
    return content


def _column(name: str, value: Any) -> LabelColumn:
    place = shortened(name)
    if isinstance(value, list):
        return LabelColumn(name, _texts(value, place))
    if not isinstance(value, dict):
        raise InputError(
            f"{place}: expected [class, class], or {{classes: [class, class], …}}. Received: {quoted(value)}"
        )
    _check_keys(value, _COLUMN_KEYS, f"{place}: ")
    several = "separator" in value or "values" in value
    if several == ("classes" in value) or (several and not {"separator", "values"} <= set(value)):
        raise InputError(f"{place}: expected either classes, or separator and values.")
    spellings = value.get("spellings", {})
    if not isinstance(spellings, dict) or not all(isinstance(meant, str) for meant in spellings.values()):
        raise InputError(f"{place}: spellings: expected {{spelling: class, …}}.")
    for key in ("title", "separator", "blank"):
        if key in value:
            _text(value, key, strip=key != "separator")
    return LabelColumn(
        name,
        _texts(value["values" if several else "classes"], place),
        title=value.get("title", ""),
        spellings=spellings,
        separator=value.get("separator"),
        blank=value.get("blank"),
    )


def _check_unknown(column: LabelColumn, unknown: tuple[str, ...]) -> None:
    tokens = {comparable(token) for token in unknown}
    if both := next((text for text in [*column.classes, *column.spellings] if comparable(text) in tokens), None):
        raise InputError(
            f"{shortened(column.name)}: {quoted(both)} is both a class and in 'unknown'; take it out of one."
        )


def _check_keys(content: dict[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(str(key)[:80], known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}."
            raise InputError(f"{place}{quoted(key)} is not a key; {hint}")


def _text(content: dict[str, Any], key: str, *, strip: bool = True) -> str:
    text = content.get(key)
    if not isinstance(text, str) or not (text.strip() if strip else text):
        raise InputError(f"{key}: missing." if text is None else f"{key}: expected text. Received: {quoted(text)}")
    return text


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{key}: expected a list of texts, such as [short, long]. Received: {quoted(value)}")
    return tuple(item.strip() for item in value)
