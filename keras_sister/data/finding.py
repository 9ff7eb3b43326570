"""What `data check` finds, with the photos to look at."""

from dataclasses import dataclass
from pathlib import Path

KINDS = {
    "dataset": "Table and label files",
    "unreadable": "Photos that cannot be read",
    "masks": "Person masks",
    "nobody": "Photos in which nobody is found",
    "same_file": "Identical files",
    "same_photo_other_label": "The same photo with different labels",
    "same_photo_other_group": "The same photo in different groups",
    "alike": "Photos that look alike",
    "differs_in_group": "Labels that differ within a group",
    "follows_names": "Labels that follow the file names",
    "rare": "Classes that are too rare, or absent",
    "large_group": "Large groups",
    "no_label": "Photos without a known label",
    "profile": "Colour profiles that are ignored",
    "left_out": "Files that are not read",
}
"""The kinds of findings in the order of the page, with its headings."""


@dataclass(frozen=True)
class Finding:
    """One problem or warning.

    Attributes:
        kind: one of `KINDS`.
        text: one line, naming the file.
        photos: the photos that it is about, of many perhaps the first ones.
        is_problem: whether it makes training impossible or wrong; else it may matter.
    """

    kind: str
    text: str
    photos: tuple[Path, ...] = ()
    is_problem: bool = False
