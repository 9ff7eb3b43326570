"""A corrected label."""

import re
from dataclasses import dataclass
from typing import Any

from keras_sister.errors import InputError

_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Correction:
    """The right class of one attribute of one photo.

    Attributes:
        place: where it was read, for messages: ``corrections.json, task 3 (000017.jpg)``.
        sha256: SHA-256 of the photo's bytes, by which it is found wherever it lies.
        attribute: name of the attribute.
        class_name: its right class.
    """

    place: str
    sha256: str
    attribute: str
    class_name: str


def check_hash(place: str, value: Any) -> str:
    """Check the SHA-256 of a photo.

    Raises:
        InputError: if it is none.
    """
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise InputError(f"{place}: without the SHA-256 of its photo; it was not made by 'sister-keras data review'.")
    return value
