"""Cells of tables as text."""

import datetime
import json
from collections.abc import Iterable
from typing import Any

LIST_SEPARATOR = ";"
"""Joins the items of a list cell (JSON Lines, Parquet)."""


class TornItemError(Exception):
    """An item of a list that would become two."""


def cell_text(value: Any) -> str:
    """A cell as a spreadsheet shows it: ``7`` for 7.0, a date without midnight, a list joined by `LIST_SEPARATOR`.

    Blanks around a text are kept, except those of the items of a list.
    """
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, list | tuple):
        return LIST_SEPARATOR.join(_items(value))
    if isinstance(value, dict):
        return _whole_characters(json.dumps(value, ensure_ascii=False))
    return _whole_characters(str(value))


def _whole_characters(text: str) -> str:
    """The text with U+FFFD for half a character, which JSON can hold, as of a text that was cut, and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _items(values: Iterable[Any]) -> list[str]:
    items = [cell_text(value).strip() for value in values]
    if torn := next((item for item in items if LIST_SEPARATOR in item), None):
        raise TornItemError(f"the item {torn!r} of a list contains '{LIST_SEPARATOR}', which joins items; rename it")
    return items
