"""Labels of synthetic photos as the spreadsheet that a shop might keep: groups, blanks, lists in cells, and typos."""

import csv
import io

import numpy as np

from keras_sister.schema import DCSA, UNKNOWN
from keras_sister.street.fabrics import COLORS

HEADINGS = ("Image", "product_id", "Category", "Sleeve length", "Neckline", "Scarf?", "Colours", "Price", "Description")
"""The columns; the first holds the path of the photo."""

TYPOS = {"Sleeve length": ("long", "lnog"), "Category": ("sweater", "swaeter"), "Neckline": ("round", "ruond")}
"""By heading a class, and the typo that one cell has instead."""

_MOST_PHOTOS = 4  # of a product


def to_table(labels: np.ndarray, hidden: np.ndarray, *, seed: int) -> str:
    """Write labels as CSV.

    Args:
        labels: int8 array, shape (photos, 26), of the schema `DCSA`, all known.
        hidden: the same with unknown labels: they become blank cells, or ``?``.
        seed: random seed of products, prices and typos.

    Returns:
        The text, with one row per photo in order, ``images/000001.jpg`` first.
    """
    rng = np.random.default_rng([seed, len(labels), 2])
    sizes = rng.integers(1, _MOST_PHOTOS + 1, len(labels))
    products = np.repeat(np.arange(len(labels)), sizes)[: len(labels)]
    rows = [
        [
            f"images/{i + 1:06d}.jpg",
            f"P{products[i]:04d}",
            _class(hidden[i], "category"),
            _class(hidden[i], "sleevelength"),
            _class(hidden[i], "neckline"),
            "?" if _value(hidden[i], "scarf") == UNKNOWN else ("no", "yes")[_value(hidden[i], "scarf")],
            "" if _value(hidden[i], "many_colors") == UNKNOWN else _colours(labels[i]),
            f"{rng.uniform(9, 199):.2f}",
            f"A {_class(labels[i], 'category').replace('_', ' ')} photographed on street number {i + 1}",
        ]
        for i in range(len(labels))
    ]
    for heading, (right, wrong) in TYPOS.items():
        column = HEADINGS.index(heading)
        having = [row for row in rows if row[column] == right]
        if len(having) > 5:  # a typo is one only beside many right cells
            having[int(rng.integers(len(having)))][column] = wrong
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADINGS, *rows])
    return text.getvalue()


def _value(row: np.ndarray, name: str) -> int:
    return int(row[DCSA.names.index(name)])


def _class(row: np.ndarray, name: str) -> str:
    value = _value(row, name)
    return "" if value == UNKNOWN else DCSA.attribute(name).classes[value]


def _colours(row: np.ndarray) -> str:
    return "; ".join(color for color in COLORS if _value(row, color))
