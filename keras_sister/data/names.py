"""Turn headings and cell values into names of attributes, and compare cells."""

import re
import unicodedata

_NUMBER = re.compile(r"([-+]?\d+)(?:[.,](\d{1,2}))?")
_DIGITS_APART = re.compile(r"\d\W+\d")


def comparable(text: str) -> str:
    """What two cells are compared by: without regard to case, runs of blanks, and Unicode composition.

    Example:
        >>> comparable(" Yes ") == comparable("yes")
        True
    """
    return one_spelling(composed(text).casefold())


def one_spelling(text: str) -> str:
    """A text with single blanks, none around it, and composed characters: equal for texts that look equal.

    Example:
        >>> one_spelling("Cafe\u0301  7 ") == "Café 7"
        True
    """
    return " ".join(composed(text).split())


def composed(text: str) -> str:
    """A text with composed characters (Unicode NFC), as Windows writes it; macOS takes them apart.

    Example:
        >>> composed("Gro\u0308\u00dfe") == "Gr\u00f6\u00dfe"
        True
    """
    return unicodedata.normalize("NFC", text)


def similar(text: str) -> str:
    """What two spellings of one class have in common: letters and digits, if there are more than two.

    Numbers are one class where their values are equal, and where digits are apart they stay apart.

    Example:
        >>> similar("T-Shirt") == similar("t shirt"), similar("1.0") == similar("1"), similar("10.0") == similar("100")
        (True, True, False)
    """
    if number := _NUMBER.fullmatch(comparable(text)):
        return f"{number[1]}.{digits}" if (digits := (number[2] or "").rstrip("0")) else number[1]
    if _DIGITS_APART.search(text):
        return comparable(text)
    bare = "".join(c for c in comparable(text) if c.isalnum())
    return bare if len(bare) > 2 else comparable(text)


def to_name(text: str) -> str:
    """Lower-case letters of ASCII, digits and ``_``, for the name of a SavedModel output; "" if nothing is left.

    Example:
        >>> to_name("Ärmel-Länge (cm)")
        'armel_lange_cm'
    """
    ascii_text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")
    return f"n{name}" if name[:1].isdigit() else name
