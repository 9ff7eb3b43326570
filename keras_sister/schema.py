"""What is predicted: named attributes, their classes, and where each stands among the logits.

A schema is known by every part of the package and travels with every run and every export as ``schema.json``. This
module needs NumPy only.
"""

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
"""The label of an attribute nobody annotated; it counts for nothing in losses, metrics and folds."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Attribute:
    """One thing to tell about a photo.

    Args:
        name: letters, digits and ``_``, a letter first; it becomes the name of an output of the SavedModel.
        classes: the class names in label order. Two classes make the attribute binary, in the order
            (negative, positive), with one logit; k > 2 classes make it multi-class, with k logits.

    Raises:
        InputError: for a name that cannot name an output, fewer than two classes, or repeated classes.

    Example:
        >>> Attribute("neckline", ("v_shape", "round", "other")).n_logits
        3
    """

    name: str
    classes: tuple[str, ...] = ("no", "yes")

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InputError(f"An attribute's name is letters, digits and '_', a letter first. Received: {self.name!r}")
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise InputError(
                f"Attribute '{self.name}' needs two or more classes, all different. Received: {list(self.classes)}"
            )

    @property
    def is_binary(self) -> bool:
        return len(self.classes) == 2

    @property
    def n_logits(self) -> int:
        return 1 if self.is_binary else len(self.classes)


@dataclass(frozen=True)
class Schema:
    """An ordered set of attributes; their order is the order of labels and logits.

    Raises:
        InputError: for no attributes at all or two of one name.

    Example:
        >>> schema = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long"))))
        >>> schema.n_logits, schema.logit_slices["sleeves"]
        (4, slice(1, 4, None))
    """

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        if not self.attributes:
            raise InputError("A schema needs at least one attribute.")
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise InputError(f"Attribute names must differ. Received twice: {sorted(repeated)}")

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
        """Where each attribute's logits stand: ``logits[:, schema.logit_slices[name]]``."""
        ends = np.cumsum([attribute.n_logits for attribute in self.attributes]).tolist()
        return {a.name: slice(end - a.n_logits, end) for a, end in zip(self.attributes, ends, strict=True)}

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
        """The predicted class of every attribute: positive from probability 0.5 on, or the most probable of k.

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
        """The content of ``schema.json``: plain dicts, lists and strings."""
        return {"attributes": [{"name": a.name, "classes": list(a.classes)} for a in self.attributes]}

    @classmethod
    def from_dict(cls, content: Any) -> "Schema":
        """The schema that `to_dict` wrote.

        Raises:
            InputError: if `content` has another form.
        """
        try:
            return cls(tuple(Attribute(a["name"], tuple(a["classes"])) for a in content["attributes"]))
        except (TypeError, KeyError) as error:
            raise InputError(
                'A schema reads {"attributes": [{"name": …, "classes": [negative, positive]}, …]}.'
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> "Schema":
        """Read a ``schema.json``.

        Raises:
            InputError: if the file is missing or not a schema, naming it.
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
