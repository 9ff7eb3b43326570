"""What a text file of cells is made of: its encoding and its delimiter, and the words for what was found.

Datasets and catalogues both read such files; what one of them reads, the other reads in the same way.
"""

import codecs
import itertools
import re
from collections.abc import Iterable

START = 1 << 12
"""Bytes of a file that `find_encoding` needs to see first."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""The usual delimiters of cells."""

_BOMS = {  # the longer ones first: UTF-32's begins like UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ENCODINGS = {
    "utf-32": "UTF-32",
    "utf-8-sig": "UTF-8",
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 without a byte order mark",
    "utf-16-be": "UTF-16 without a byte order mark",
    "cp1252": "Windows-1252 (Latin-1)",
    "latin-1": "Latin-1",
}
_MAGIC = {
    b"PK\x03\x04": "Excel (.xlsx)",
    b"PAR1": "Parquet (.parquet)",
    b"\xd0\xcf\x11\xe0": "old Excel (.xls)",
}


def other_format(start: bytes) -> str | None:
    """What a file is whose first bytes are those of a workbook or another table that is no text; else None."""
    return next((what for magic, what in _MAGIC.items() if start.startswith(magic)), None)


def find_encoding(chunks: Iterable[bytes]) -> str:
    """Find the encoding of a text.

    Args:
        chunks: its bytes, in pieces of any size; the first has at least `START` bytes, or is all.

    Returns:
        Python's name: by the byte order mark; UTF-16 by its zeros; UTF-8 if all bytes are; else Windows-1252, or
        Latin-1 where bytes mean nothing in Windows-1252.
    """
    pieces = iter(chunks)
    first = next(pieces, b"")
    if marked := next((encoding for bom, encoding in _BOMS.items() if first.startswith(bom)), None):
        return marked
    # Most letters of a table are Latin, so that every second byte of UTF-16 is zero.
    start = first[:START]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > len(start) / 6:
        return "utf-16-be" if even > odd else "utf-16-le"
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    for piece in itertools.chain((first,), pieces):
        _feed(decoders, piece)
    _feed(decoders, b"", final=True)
    return next(iter(decoders), "latin-1")


def named_delimiter(first_line: str) -> str | None:
    """The delimiter that the first line names, as in Excel's ``sep=;``; such a line is not a row."""
    named = re.fullmatch(r'"?sep=(.)"?\r?\n?', first_line, re.IGNORECASE)
    return named[1] if named else None


def possible_delimiters(heading: str) -> list[str]:
    """The usual delimiters, then every other sign of the heading that could be one."""
    others = {c for c in heading if not c.isalnum() and not c.isspace() and c not in "\"'_-./()"}
    return list(dict.fromkeys([*DELIMITERS, *sorted(others)]))


def _feed(decoders: dict[str, codecs.IncrementalDecoder], piece: bytes, *, final: bool = False) -> None:
    """Drop the decoders that cannot decode a piece."""
    for name in list(decoders):
        try:
            decoders[name].decode(piece, final)
        except UnicodeDecodeError:
            del decoders[name]


def encoding_words(encoding: str) -> str:
    """The words for an encoding: ``UTF-16 without a byte order mark``."""
    return _ENCODINGS[encoding]


def layout_words(encoding: str, delimiter: str) -> str:
    """The words for what was found: ``UTF-8, semicolons``."""
    return f"{_ENCODINGS[encoding]}, {DELIMITERS.get(delimiter, f'delimiter {delimiter!r}')}"
