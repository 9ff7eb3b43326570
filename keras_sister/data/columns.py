"""What a column of a table is: classes, several values in a cell, an identifier, or nothing to learn from."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from keras_sister.data.names import comparable, similar, to_name

UNKNOWN_TOKENS = frozenset(
    (
        *("", "?", "??", "-", "--", ".", "n/a", "na", "#n/a", "nan", "null", "nil"),
        *("unknown", "unclear", "not known", "tbd"),
        *("#ref!", "#div/0!", "#value!", "#name?", "#num!", "#null!"),  # what Excel shows for a wrong formula
    )
)
"""Cells that usually mean "unknown", as `comparable`."""

NO = ("no", "n", "false", "f", "0", "nein", "non")
YES = ("yes", "y", "true", "t", "1", "ja", "oui", "si")
MOST_CLASSES = 1000
"""A column with more values is left out."""

_SEPARATORS = (";", "|", ",", "/", "+", "&")
_ID = re.compile(
    r"(^|[^a-z])(id|ids|sku|ean|gtin|isbn|code|nr|no|number|ref)($|[^a-z])|product|item|artic|artik|person|model|style|group"
)
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?")
_DATE = re.compile(r"(\d{4}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{2,4})([ T]\d\d?:\d\d(:\d\d)?)?")
_PLACE = re.compile(r"(https?://\S+|\S+\.(jpe?g|png|webp|gif|heic|tiff?))", re.IGNORECASE)


@dataclass(frozen=True)
class Typo:
    """A spelling that looks like a typo of a class, with the rows that have it."""

    spelling: str
    meant: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Classes:
    """The classes, or values, of a column.

    Attributes:
        counts: number of cells by class: the negative class first, else the most frequent first.
        spellings: class by other spelling that differs in case, blanks or punctuation, or means yes or no.
        typos: spellings that look like typos.
        separator: between several values in a cell, or None.
        unknown: number of cells without a label.
    """

    counts: dict[str, int]
    spellings: dict[str, str] = field(default_factory=dict)
    typos: tuple[Typo, ...] = ()
    separator: str | None = None
    unknown: int = 0


@dataclass(frozen=True)
class LeftOut:
    """A column that is not used for labels.

    Attributes:
        reason: why.
        is_identifier: whether it names products, persons or rows.
    """

    reason: str
    is_identifier: bool = False


def describe_column(heading: str, cells: Sequence[str], numbers: Sequence[int]) -> Classes | LeftOut:
    """Propose what a column is.

    Args:
        heading: its heading.
        cells: its cells.
        numbers: the rows' numbers, for typos.

    Example:
        >>> describe_column("sleeves", ["long", "short", "long", "?"], [2, 3, 4, 5])
        Classes(counts={'long': 2, 'short': 1}, spellings={}, typos=(), separator=None, unknown=1)
    """
    known = [(n, cell) for n, cell in zip(numbers, cells, strict=True) if comparable(cell) not in UNKNOWN_TOKENS]
    texts = [cell for _, cell in known]
    unknown = len(cells) - len(known)
    if not heading:
        return LeftOut("it has no heading")
    if not texts:
        return LeftOut("no cell has a value")
    reason = _no_classes(heading, texts)
    if reason:
        return reason
    separator = _separator(texts)
    if separator:
        items = [(n, item.strip()) for n, cell in known for item in cell.split(separator)]
        known = [(n, item) for n, item in items if item and comparable(item) not in UNKNOWN_TOKENS]
    classes = _classes(known, separator, unknown)
    if len(classes.counts) > MOST_CLASSES:
        return LeftOut(f"{len(classes.counts):,} different values are more than {MOST_CLASSES:,} classes")
    if len(classes.counts) == 1 and not separator:
        (only,) = classes.counts
        hint = f"; if a blank cell means no: {{classes: ['no', 'yes'], spellings: {{{only!r}: 'yes'}}, blank: 'no'}}"
        return LeftOut(f"its only value is {only!r}{hint if unknown and comparable(only) not in (*NO, *YES) else ''}")
    return classes


def _no_classes(heading: str, texts: list[str]) -> LeftOut | None:
    """The reason why cells are not classes, or None."""
    different, cells = len({comparable(text) for text in texts}), len(texts)
    per_value = cells / different
    words = sum(len(text.split()) for text in texts) / cells
    # 1,234 pictures of 200 products are codes; 3,000 of 200 brands are classes.
    coded = sum(any(c.isdigit() for c in text) for text in texts) > 0.8 * cells
    named = bool(_ID.search(comparable(heading)))
    if all(_PLACE.fullmatch(text) for text in texts):
        return LeftOut("file names or links")
    if all(_DATE.fullmatch(text) for text in texts):
        return LeftOut("dates, not classes")
    if coded and words < 2 and ((named and different > 2 and per_value <= 20) or (different > 20 and per_value <= 4)):
        if not named and all(_NUMBER.fullmatch(text) for text in texts):
            return LeftOut(f"numbers ({different:,} different), not classes")
        return LeftOut(f"identifiers ({different:,} different)", is_identifier=True)
    if all(_NUMBER.fullmatch(text) for text in texts) and different > 20:
        return LeftOut(f"numbers ({different:,} different), not classes")
    if words >= 5 or (words >= 2 and different > 20 and per_value < 2 and not _separator(texts)):
        return LeftOut(f"free text ({different:,} different), not classes")
    if different > 20 and per_value < 2 and not _separator(texts):
        return LeftOut(f"nearly every cell differs ({different:,} of {cells:,})", is_identifier=True)
    return None


def _separator(texts: list[str]) -> str | None:
    """What stands between several values in a cell: splitting by it leaves fewer values, which occur elsewhere too."""
    if all(_NUMBER.fullmatch(text) for text in texts):
        return None
    different = {comparable(text) for text in texts}
    for separator in _SEPARATORS:
        split = [tuple(sorted({p.strip() for p in text.split(separator) if p.strip()})) for text in different]
        several = [parts for parts in split if len(parts) > 1]
        values = {part for parts in split for part in parts}
        uses = Counter(part for parts in split for part in parts)
        shared = sum(any(uses[part] > 1 for part in parts) for parts in several)
        enough = bool(several) if separator in ";|" else len(several) > 1 and len(values) < len(different)
        if enough and shared > len(several) / 2:
            return separator
    return None


def _classes(known: list[tuple[int, str]], separator: str | None, unknown: int) -> Classes:
    """Merge spellings of one class, find typos, and order the classes."""
    spelled: dict[str, Counter[str]] = {}
    rows: dict[str, list[int]] = {}
    named: dict[str, str] = {}
    for number, text in known:
        key = similar(text)
        if separator and (name := to_name(text)):
            key = named.setdefault(name, key)  # values of one name would be one attribute
        spelled.setdefault(key, Counter())[" ".join(text.split())] += 1
        rows.setdefault(key, []).append(number)
    counts = {key: len(numbers) for key, numbers in rows.items()}
    typos = {key: meant for key in counts if (meant := _typo_of(key, counts))}
    kept = [key for key in counts if key not in typos]
    names, spellings = _names(spelled, kept, separator)
    found = tuple(
        Typo(spelling, names[meant], tuple(rows[key])) for key, meant in typos.items() for spelling in spelled[key]
    )
    totals: Counter[str] = Counter()
    for key in counts:
        totals[names[typos.get(key, key)]] += counts[key]
    order = sorted(totals, key=lambda name: (*_polarity(name), -totals[name], name))
    return Classes({name: totals[name] for name in order}, spellings, found, separator, unknown)


def _names(
    spelled: dict[str, Counter[str]], kept: list[str], separator: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """The class that each key stands for, and the spellings that are not read as that class by themselves."""
    if separator is None and set(kept) <= {*NO, *YES} and set(kept) & set(NO) and set(kept) & set(YES):
        names = {key: "no" if key in NO else "yes" for key in kept}
    else:
        names = {key: spelled[key].most_common(1)[0][0] for key in kept}
    spellings = {}
    for key in kept:
        others = {comparable(text): text for text in spelled[key]}
        spellings.update({text: names[key] for plain, text in others.items() if plain != comparable(names[key])})
    return names, spellings


def _typo_of(key: str, counts: dict[str, int]) -> str | None:
    """The frequent class that a rare spelling resembles."""
    if len(key) < 4 or counts[key] > max(2, sum(counts.values()) // 100):
        return None
    digits = [c for c in key if c.isdigit()]
    candidates = [
        (difflib.SequenceMatcher(None, key, other, autojunk=False).ratio(), other)
        for other, count in counts.items()
        if count >= 5 * counts[key] and [c for c in other if c.isdigit()] == digits and abs(len(other) - len(key)) < 3
    ]
    score, best = max(candidates, default=(0.0, ""))
    return best if score >= 0.8 or (score >= 0.75 and sorted(best) == sorted(key)) else None


def _polarity(name: str) -> tuple[int]:
    """Negative classes come first, because the second of two is the positive one."""
    first = comparable(name).split()[0]
    return (0 if first in (*NO, "not", "without", "ohne", "sans") else 1,)
