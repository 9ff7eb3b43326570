"""The schema: the attributes to predict, their classes, and the position of each among the logits.

A schema is part of every run, model and export (``schema.json``). This module needs NumPy only.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.errors import InputError

UNKNOWN = -1
"""The label of an attribute without annotation. Losses, metrics and folds ignore it."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Attribute:
    """One attribute of a photo, such as its neckline.

    Args:
        name: letters, digits and ``_``, starting with a letter; it becomes the name of a SavedModel output.
        classes: class names in label order. Two classes make the attribute binary, in the order
            (negative, positive), with one logit; k > 2 classes make it multi-class, with k logits.

    Raises:
        InputError: for an invalid name, fewer than two classes, or repeated classes.

    Example:
        >>> Attribute("neckline", ("v_shape", "round", "other")).n_logits
        3
    """

    name: str
    classes: tuple[str, ...] = ("no", "yes")

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InputError(
                f"An attribute name has letters, digits and '_', and starts with a letter. Received: {self.name!r}"
            )
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise InputError(
                f"Attribute '{self.name}' needs at least two different classes. Received: {list(self.classes)}"
            )

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
        InputError: for no attributes, or two of the same name.

    Example:
        >>> schema = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long"))))
        >>> schema
        Schema(2 attributes, 4 logits: scarf, sleeves[none|short|long])
        >>> schema.logit_slices["sleeves"]
        slice(1, 4, None)
    """

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        if not self.attributes:
            raise InputError("A schema needs at least one attribute.")
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise InputError(f"Attribute names must differ. Received twice: {sorted(repeated)}")

    def __repr__(self) -> str:
        names = [a.name if a.classes == ("no", "yes") else f"{a.name}[{'|'.join(a.classes)}]" for a in self]
        return f"Schema({len(self)} attributes, {self.n_logits} logits: {', '.join(names)})"

    def __len__(self) -> int:
        return len(self.attributes)

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes)

    @property
    def names(self) -> list[str]:
        return [attribute.name for attribute in self.attributes]

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
        """
        logits = self._checked(logits)
        return {
            a.name: _sigmoid(logits[:, s][:, 0]) if a.is_binary else _softmax(logits[:, s])
            for a, s in zip(self.attributes, self.logit_slices.values(), strict=True)
        }

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Predict the class of every attribute: positive from probability 0.5, or the most probable of k.

        Args:
            logits: float array, shape (batch, n_logits).

        Returns:
            int8 array, shape (batch, len(schema)): indices into each attribute's ``classes``.
        """
        logits = self._checked(logits)
        columns = [
            logits[:, s][:, 0] >= 0 if a.is_binary else logits[:, s].argmax(axis=1)
            for a, s in zip(self.attributes, self.logit_slices.values(), strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.int8)

    def _checked(self, logits: np.ndarray) -> np.ndarray:
        logits = np.asarray(logits, dtype=np.float64)
        if logits.ndim != 2 or logits.shape[1] != self.n_logits:
            raise ValueError(f"Expected logits of shape (batch, {self.n_logits}). Received: shape={logits.shape}")
        return logits

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
            return cls(tuple(Attribute(a["name"], tuple(a["classes"])) for a in content["attributes"]))
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
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, InputError) as error:
            raise InputError(f"{path}: not a readable schema file: {error}") from error

    def to_json(self) -> str:
        """The text of ``schema.json``."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


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
