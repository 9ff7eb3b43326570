"""Turn headings and cell values into names of attributes, and compare cells."""

import re
import unicodedata


def comparable(text: str) -> str:
    """What two cells are compared by: without regard to case, runs of blanks, and Unicode composition.

    Example:
        >>> comparable(" Yes ") == comparable("yes")
        True
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def similar(text: str) -> str:
    """What two spellings of one class have in common: letters and digits, if there are more than two.

    Example:
        >>> similar("T-Shirt") == similar("t shirt")
        True
    """
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
