"""What may be wrong with the labels, groups and official split of a dataset, beside its files."""

import numpy as np

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.finding import Finding
from keras_sister.data.folds import check_trainable, official_test
from keras_sister.errors import InputError
from keras_sister.schema import UNKNOWN

_LARGE_GROUP = 0.2
"""A group with a larger share of the photos makes folds uneven."""


def label_warnings(dataset: Dataset, duplicates: list[list[int]]) -> list[Finding]:
    """Find contradicting labels of identical photos, rare classes, large groups, and a split that cannot be used.

    Args:
        dataset: photos, labels, groups, weights and split.
        duplicates: rows of photos with the same content.
    """
    found = [*_contradictions(dataset, duplicates), *_rare_classes(dataset), *_groups(dataset, duplicates)]
    return [*found, *_split(dataset)]


def _contradictions(dataset: Dataset, duplicates: list[list[int]]) -> list[Finding]:
    found = []
    for rows in duplicates:
        labels = dataset.labels[rows]
        for i, attribute in enumerate(dataset.schema):
            classes = sorted(set(labels[:, i].tolist()) - {UNKNOWN})
            if len(classes) > 1:
                names = ", ".join(dataset.photos[row].name for row in rows)
                text = (
                    f"{names}: the same photo with {attribute.name}"
                    f" {' and '.join(repr(attribute.classes[c]) for c in classes)}."
                )
                found.append(Finding("same_photo_other_label", text, tuple(dataset.photos[row] for row in rows)))
    return found


def _rare_classes(dataset: Dataset) -> list[Finding]:
    """Classes with fewer photos, or groups, than the default number of folds: some folds have none of them."""
    folds = Experiment().folds
    rare, photos = [], []
    for i, attribute in enumerate(dataset.schema):
        for c, name in enumerate(attribute.classes):
            has = dataset.labels[:, i] == c
            units = int(has.sum()) if dataset.groups is None else len(np.unique(dataset.groups[has]))
            if 0 < units < folds:
                rare.append(f"{attribute.name}={name} ({units})")
                photos += [dataset.photos[row] for row in np.flatnonzero(has)]
    what = "photos" if dataset.groups is None else "groups"
    shown = ", ".join(rare[:20]) + (f" and {len(rare) - 20} more" if len(rare) > 20 else "")
    text = f"classes with fewer {what} than {folds} folds: {shown}; give fewer --folds."
    return [Finding("rare", text, tuple(dict.fromkeys(photos)))] if rare else []


def _groups(dataset: Dataset, duplicates: list[list[int]]) -> list[Finding]:
    if dataset.groups is None or not len(dataset):
        return []
    names, sizes = np.unique(dataset.groups, return_counts=True)
    found = [
        Finding(
            "large_group",
            f"group '{name}' has {size} of {len(dataset)} photos; folds will differ in size.",
            tuple(dataset.photos[row] for row in np.flatnonzero(dataset.groups == name)),
        )
        for name, size in zip(names, sizes, strict=True)
        if size > _LARGE_GROUP * len(dataset) and size > 1
    ]
    torn = [rows for rows in duplicates if len(set(dataset.groups[rows])) > 1]
    for rows in torn:
        names_of = ", ".join(dataset.photos[row].name for row in rows)
        groups = " and ".join(f"'{name}'" for name in sorted(set(dataset.groups[rows])))
        text = f"{names_of}: the same photo in groups {groups}; one may train and one test."
        found.append(Finding("same_photo_other_group", text, tuple(dataset.photos[row] for row in rows)))
    return found


def _split(dataset: Dataset) -> list[Finding]:
    """Why `cv --split` would refuse the official split, if it would. Weights of test photos count nowhere."""
    if dataset.split is None:
        return []
    train = dataset.split == "train"
    try:
        official_test(dataset.split, dataset.groups)
        weights = None if dataset.weights is None else dataset.weights[train]
        check_trainable(dataset.labels[train], weights, "cv --split")
    except InputError as error:
        return [Finding("dataset", str(error))]
    return []
