"""Labels that follow the file names or the groups: what a model may learn in place of what is in the photos."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy

from keras_sister.data.dataset import Dataset
from keras_sister.data.finding import Finding
from keras_sister.schema import UNKNOWN

_FEWEST = 20
"""Photos, or groups, that a pattern must have."""

_SHARE = 0.5
"""A pattern is told if it does away with this share of the errors of guessing; of groups with `_GROUP_SHARE`."""

_GROUP_SHARE = 0.9
_CHANCE = 1e-4
"""The largest probability of a pattern by chance; a dataset has some hundred chances."""

_SHOWN = 12  # photos of a pattern


def label_patterns(dataset: Dataset) -> tuple[list[Finding], list[str]]:
    """Find attributes whose labels follow the photos' names or groups.

    Of each group one photo counts, since photos of one product have neighbouring names and one label.

    Returns:
        Findings; and notes, one line each: that labels follow the group is right where groups are products.
    """
    if not len(dataset):
        return [], []
    followers, odd = _groups(dataset)
    note = f"{', '.join(followers)}: photos of a group have the same label, so that groups count, not photos."
    return [*_names(dataset), *odd], [note] if followers else []


def _names(dataset: Dataset) -> list[Finding]:
    names = {what: [feature(photo) for photo in dataset.photos] for what, feature in _FEATURES.items()}
    order = sorted(range(len(dataset)), key=lambda row: _natural(dataset.photos[row]))
    found = []
    for i, attribute in enumerate(dataset.schema):
        rows = _one_of_each_group(dataset, [row for row in order if dataset.labels[row, i] != UNKNOWN])
        labels = dataset.labels[rows, i]
        if len(rows) < _FEWEST or len(set(labels.tolist())) < 2:
            continue
        for what, texts in names.items():
            told, guessed = _told_by([texts[row] for row in rows], labels.tolist())
            if _is_pattern(told, guessed, len(rows)):
                text = (
                    f"{attribute.name}: follows {what}, which tells {told:.0%} of the labels ({guessed:.0%} by"
                    " guessing); if classes come from different sources, a model learns the source."
                )
                found.append(Finding("follows_names", text, _one_of_each(dataset, rows, texts)))
        told, guessed = float(np.mean(labels[1:] == labels[:-1])), _same_by_chance(labels)
        if _is_pattern(told, guessed, len(rows) - 1):
            text = (
                f"{attribute.name}: follows the order of the file names, where {told:.0%} of neighbours have the same"
                f" label ({guessed:.0%} by chance); if neighbours show one product, give a group column."
            )
            found.append(Finding("follows_names", text, tuple(dataset.photos[row] for row in rows[:_SHOWN])))
    return found


def _one_of_each_group(dataset: Dataset, rows: list[int]) -> np.ndarray:
    if dataset.groups is None:
        return np.array(rows, int)
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(dataset.groups[row], row)
    return np.array(list(first.values()), int)


def _told_by(texts: Sequence[str], labels: Sequence[int]) -> tuple[float, float]:
    """Shares of labels that are told right: by the other photos with the same text, and by the most frequent class."""
    by_text: dict[str, Counter[int]] = {}
    for text, label in zip(texts, labels, strict=True):
        by_text.setdefault(text, Counter())[label] += 1
    best, photos = Counter(labels).most_common(1)[0]
    told = [_most_frequent_other(by_text[text], label, best) for text, label in zip(texts, labels, strict=True)]
    return float(np.mean(np.equal(told, labels))), photos / len(labels)


def _most_frequent_other(counts: Counter[int], own: int, otherwise: int) -> int:
    """The most frequent class without one photo of the class `own`; `otherwise` if there is no other photo."""
    others = {label: count - (label == own) for label, count in counts.items()}
    best = max(others, key=lambda label: (others[label], -label))
    return best if others[best] else otherwise


def _is_pattern(told: float, guessed: float, number: int) -> bool:
    if told - guessed < _SHARE * (1 - guessed) or guessed == 1:
        return False
    return scipy.stats.binomtest(round(told * number), number, guessed, alternative="greater").pvalue < _CHANCE


def _same_by_chance(labels: np.ndarray) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float((shares**2).sum())


def _one_of_each(dataset: Dataset, rows: np.ndarray, texts: Sequence[str]) -> tuple[Path, ...]:
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(texts[row], row)
    return tuple(dataset.photos[row] for row in list(first.values())[:_SHOWN])


def _groups(dataset: Dataset) -> tuple[list[str], list[Finding]]:
    """Attributes whose photos of a group nearly always have one class, and the groups where they have several."""
    followers, odd = [], []
    for i, attribute in enumerate(dataset.schema):
        members = _members(dataset, i)
        if len(members) < _FEWEST:
            continue
        labels = dataset.labels[:, i]
        several = {name: rows for name, rows in members.items() if len(set(labels[rows].tolist())) > 1}
        by_chance = _same_by_chance(labels[np.concatenate(list(members.values()))])
        agreeing = 1 - len(several) / len(members)
        if by_chance == 1 or agreeing - by_chance < _GROUP_SHARE * (1 - by_chance):
            continue
        followers.append(attribute.name)
        for name, rows in several.items():
            each = ", ".join(f"{dataset.photos[row].name} {attribute.classes[labels[row]]}" for row in rows)
            text = f"group '{name}': {attribute.name} differs, as in no more than {1 - agreeing:.1%} of groups: {each}."
            odd.append(Finding("differs_in_group", text, tuple(dataset.photos[row] for row in rows)))
    return followers, odd


def _members(dataset: Dataset, column: int) -> dict[str, list[int]]:
    """The rows of each group that has two or more known labels of an attribute."""
    members: dict[str, list[int]] = {}
    if dataset.groups is not None:
        for row in np.flatnonzero(dataset.labels[:, column] != UNKNOWN).tolist():
            members.setdefault(dataset.groups[row], []).append(row)
    return {name: rows for name, rows in members.items() if len(rows) > 1}


def _natural(photo: Path) -> list[tuple[bool, int, str]]:
    """``2.jpg`` before ``10.jpg``."""
    parts = re.split(r"(\d+)", str(photo))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


_FEATURES: dict[str, Callable[[Path], str]] = {
    "the folder of the photo": lambda photo: str(photo.parent),
    "the beginning of the file name": lambda photo: re.split(r"\d", photo.stem, maxsplit=1)[0].lower(),
    "the ending of the file name": lambda photo: photo.suffix.lower(),
}
"""What of a file may tell its label."""
