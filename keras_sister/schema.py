"""The schema: the attributes to predict, their classes, and the position of each among the logits.

A schema is part of every run, model and export (``schema.json``). This module needs NumPy only.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.errors import InputError, quoted
from keras_sister.storage.json_files import read_json

UNKNOWN = -1
"""The label of an attribute without annotation. Losses, metrics and folds ignore it, NaN and every negative label."""

RESERVED_NAMES = frozenset(
    (
        *("photo", "segmented", "mask", "image_bytes", "images", "to_segment", "logits"),  # inputs and signatures
        *("decoded", "person_share", "decisions", "confidence", "schema_hash"),  # outputs of exports
        *("tags", "not_sure", "error", "fingerprint"),  # columns of tables
    )
)
"""Names that an attribute cannot have, in any case: outputs and columns of ours have them."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class Attribute:
    """One attribute of a photo, such as its neckline.

    Args:
        name: at most 100 letters, digits and ``_``, starting with a letter, and none of `RESERVED_NAMES`; it becomes
            the name of a SavedModel output and of a column.
        classes: class names in label order, as a list or tuple. Two classes make the attribute binary, in the order
            (negative, positive), with one logit; k > 2 classes make it multi-class, with k logits.

    Raises:
        InputError: for an invalid or reserved name, fewer than two classes, repeated classes, or classes that are not
            text.

    Example:
        >>> Attribute("neckline", ("v_shape", "round", "other")).n_logits
        3
    """

    name: str
    classes: tuple[str, ...] = ("no", "yes")

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InputError(
                "An attribute name has at most 100 letters, digits and '_', and starts with a letter."
                f" Received: {quoted(self.name)}"
            )
        if self.name.lower() in RESERVED_NAMES:
            raise InputError(
                f"'{self.name}' is the name of an output or a column of keras-sister; rename the attribute, for example"
                f" '{self.name}_label'."
            )
        object.__setattr__(self, "classes", _checked_classes(self.name, self.classes))

    @property
    def is_binary(self) -> bool:
        return len(self.classes) == 2

    @property
    def n_logits(self) -> int:
        return 1 if self.is_binary else len(self.classes)


@dataclass(frozen=True)
class Schema:
    """An ordered set of attributes. Their order is the order of labels and logits.

    Raises:
        InputError: for no attributes, or two whose names are equal or differ only in case.

    Example:
        >>> schema = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long"))))
        >>> schema
        Schema(2 attributes, 4 logits: scarf, sleeves[none|short|long])
        >>> schema.logit_slices["sleeves"]
        slice(1, 4, None)
    """

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", tuple(self.attributes))
        if not self.attributes:
            raise InputError("A schema needs at least one attribute.")
        for attribute in self.attributes:
            if not isinstance(attribute, Attribute):
                raise InputError(f"A schema consists of Attribute objects. Received: {quoted(attribute)}")
        seen: dict[str, str] = {}
        for name in self.names:
            other = seen.get(name.lower())
            if other is not None:
                how = "are the same" if other == name else "differ only in case"
                raise InputError(
                    f"The attribute names '{other}' and '{name}' {how}; rename one, for example '{name}_2'."
                )
            seen[name.lower()] = name

    def __repr__(self) -> str:
        names = [a.name if a.classes == ("no", "yes") else f"{a.name}[{'|'.join(a.classes)}]" for a in self]
        counts = {"attribute": len(self), "logit": self.n_logits}
        counted = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items())
        return f"Schema({counted}: {', '.join(names)})"

    def __len__(self) -> int:
        return len(self.attributes)

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes)

    @property
    def names(self) -> list[str]:
        return [attribute.name for attribute in self.attributes]

    def attribute(self, name: str) -> Attribute:
        """The attribute of this name.

        Raises:
            InputError: if there is none, naming those that there are.
        """
        if name not in self.names:
            raise InputError(f"attribute must be one of {', '.join(self.names)}. Received: {name!r}")
        return self.attributes[self.names.index(name)]

    @property
    def n_logits(self) -> int:
        return sum(attribute.n_logits for attribute in self.attributes)

    @cached_property
    def logit_slices(self) -> dict[str, slice]:
        """The columns of each attribute's logits: ``logits[:, schema.logit_slices[name]]``."""
        ends = np.cumsum([attribute.n_logits for attribute in self.attributes]).tolist()
        return {a.name: slice(end - a.n_logits, end) for a, end in zip(self.attributes, ends, strict=True)}

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the names and classes, in order, as hexadecimal digits.

        It is the output ``schema_hash`` of an export, by which a client notices that it has another schema.
        """
        content = [[attribute.name, list(attribute.classes)] for attribute in self]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def probabilities(self, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Turn logits into probabilities.

        Args:
            logits: float array, shape (batch, n_logits).

        Returns:
            By attribute name: ``(batch,)`` probability of the positive class for a binary attribute, ``(batch, k)``
            probabilities that sum to 1 for k classes. float64.

        Raises:
            InputError: for logits of another shape, or a logit that is not a finite number.
        """
        logits = self.check_logits(logits)
        return {
            a.name: _sigmoid(logits[:, s][:, 0]) if a.is_binary else _softmax(logits[:, s])
            for a, s in zip(self.attributes, self.logit_slices.values(), strict=True)
        }

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Predict the class of every attribute: positive from probability 0.5, or the most probable of k.

        Args:
            logits: float array, shape (batch, n_logits).

        Returns:
            int32 array, shape (batch, len(schema)): indices into each attribute's ``classes``.

        Raises:
            InputError: for logits of another shape, or a logit that is not a finite number.
        """
        logits = self.check_logits(logits)
        columns = [
            logits[:, s][:, 0] >= 0 if a.is_binary else logits[:, s].argmax(axis=1)
            for a, s in zip(self.attributes, self.logit_slices.values(), strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.int32)

    def check_logits(self, logits: Any) -> np.ndarray:
        """Check logits.

        Args:
            logits: float array, shape (batch, n_logits).

        Returns:
            The same as float64.

        Raises:
            InputError: for another shape, or a logit that is not a finite number, naming attribute and row.
        """
        logits = np.asarray(logits)
        if logits.ndim != 2 or logits.shape[1] != self.n_logits or logits.dtype.kind not in "fiu":
            raise InputError(
                f"Expected logits of shape (batch, {self.n_logits}). Received: shape={logits.shape}, {logits.dtype}"
            )
        logits = logits.astype(np.float64)
        if not np.isfinite(logits).all():
            row, column = np.argwhere(~np.isfinite(logits))[0]
            name = next(name for name, columns in self.logit_slices.items() if columns.start <= column < columns.stop)
            raise InputError(f"A logit of '{name}' in row {row} is not a finite number: {logits[row, column]}.")
        return logits

    def check_labels(self, labels: Any, *, rows: Sequence[object] | None = None) -> np.ndarray:
        """Check labels: each is a class index, or unknown, which is NaN or any negative number.

        Args:
            labels: array of numbers, shape (batch, len(schema)); ``(batch,)`` as well for a schema of one attribute.
            rows: names of the rows for error messages; their numbers by default.

        Returns:
            int32 array, shape (batch, len(schema)): class indices, −1 = unknown.

        Raises:
            InputError: for another shape or type, a fraction, or an index past the last class, naming the attribute.

        Example:
            >>> schema.check_labels([[0, 2], [float("nan"), -7]])
            array([[ 0,  2],
                   [-1, -1]], dtype=int32)
        """
        try:
            values = np.asarray(labels)
        except ValueError as error:  # rows of different lengths
            raise InputError(f"Expected labels of shape (batch, {len(self)}). Received: {quoted(labels)}") from error
        if values.ndim == 1 and len(self) == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != len(self):
            raise InputError(
                f"Expected labels of shape (batch, {len(self)}), a class index for each of"
                f" {quoted(', '.join(self.names))}. Received: shape={values.shape}"
            )
        if values.dtype.kind not in "biuf":
            raise InputError(f"Expected labels that are class indices. Received: {values.dtype} {quoted(values[:1])}")
        known = values >= 0  # false for NaN
        valid = values < [len(attribute.classes) for attribute in self]
        valid &= np.where(known & valid, values, 0) % 1 == 0
        if (known & ~valid).any():
            row, column = np.argwhere(known & ~valid)[0]
            attribute, where = self.attributes[column], f"row {row}" if rows is None else rows[row]
            raise InputError(
                f"{where}: the label of '{attribute.name}' is {values[row, column]:g}; expected a class index from 0 to"
                f" {len(attribute.classes) - 1}, or NaN or a negative number for unknown."
            )
        return np.where(known, values, UNKNOWN).astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``schema.json``: dicts, lists and strings."""
        return {"attributes": [{"name": a.name, "classes": list(a.classes)} for a in self.attributes]}

    @classmethod
    def from_dict(cls, content: Any) -> "Schema":
        """Create a schema from what `to_dict` returned.

        Raises:
            InputError: if `content` has another structure.
        """
        try:
            return cls(tuple(Attribute(a["name"], a["classes"]) for a in content["attributes"]))
        except (TypeError, KeyError) as error:
            raise InputError(
                'A schema has the form {"attributes": [{"name": …, "classes": [negative, positive]}, …]}.'
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> "Schema":
        """Read a ``schema.json``.

        Raises:
            InputError: if the file is missing or is not a schema, naming it.
        """
        content = read_json(Path(path))
        try:
            return cls.from_dict(content)
        except InputError as error:
            raise InputError(f"{path}: not a readable schema file: {error}") from error

    def to_json(self) -> str:
        """The text of ``schema.json``."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


def _checked_classes(name: str, classes: Any) -> tuple[str, ...]:
    if not isinstance(classes, list | tuple):
        raise InputError(f"The classes of '{name}' must be a list, such as ['no', 'yes']. Received: {quoted(classes)}")
    for value in classes:
        if not isinstance(value, str) or len(value.splitlines()) != 1 or value != value.strip():
            raise InputError(
                f"A class of '{name}' must be text in one line, without blanks around it. Received: {quoted(value)}"
            )
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise InputError(f"Attribute '{name}' needs at least two different classes. Received: {quoted(list(classes))}")
    return tuple(classes)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


_PATTERNS = ("solid", "floral", "spot", "graphics", "plaid", "stripe")
_COLORS = ("red", "yellow", "green", "cyan", "blue", "purple", "brown", "white", "gray", "black", "many_colors")

DCSA = Schema(
    (
        Attribute("necktie"),
        Attribute("collar"),
        Attribute("gender", ("male", "female")),
        Attribute("placket"),
        Attribute("skin_exposure", ("low", "high")),
        Attribute("scarf"),
        *(Attribute(f"pattern_{pattern}") for pattern in _PATTERNS),
        *(Attribute(color) for color in _COLORS),
        Attribute("sleevelength", ("none", "short", "long")),
        Attribute("neckline", ("v_shape", "round", "other")),
        Attribute("category", ("shirt", "sweater", "t_shirt", "outerwear", "suit", "tank_top", "dress")),
    )
)
"""The Clothing Attributes Dataset of Chen, Gallagher and Girod, "Describing Clothing by Semantic Attributes"
(ECCV 2012): 26 attributes, 23 binary and 3 multi-class, 36 logits."""
