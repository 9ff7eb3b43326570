"""When folds are drawn to see whether they can be."""

from pathlib import Path

import numpy as np
import pytest

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.schema import DCSA
from keras_sister.training import fold_split
from keras_sister.training.fold_split import check_folds, draw_folds

RARE = np.arange(100)[:, None] % 50 - np.zeros(len(DCSA), int)


def dataset(photos: int, **columns: np.ndarray) -> Dataset:
    return Dataset(
        DCSA,
        tuple(Path(f"{number}.jpg") for number in range(photos)),
        np.zeros((photos, len(DCSA)), np.int8),
        **columns,
    )


def test_many_photos_are_not_drawn(monkeypatch):
    monkeypatch.setattr(fold_split, "draw_folds", None)
    check_folds(dataset(100), Experiment(folds=50))


@pytest.mark.parametrize(
    "labels",
    [np.full((100, len(DCSA)), -1), np.zeros((100, len(DCSA))), np.where(RARE < 1, 1, -1), np.where(RARE < 40, 0, 1)],
    ids=["all unknown", "all one class", "few known", "two classes"],
)
@pytest.mark.parametrize("folds", [2, 50])
def test_for_many_photos_fill_every_fold(labels, folds):
    data = Dataset(DCSA, dataset(100).photos, labels.astype(np.int8))
    sizes = [len(fold) for fold in draw_folds(data, Experiment(folds=folds))]
    assert min(sizes) > 0
    assert 100 - max(sizes) >= 2


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (dataset(3), {"folds": 4}, "4 folds need at least 4 photos; there are 3"),
        (dataset(99), {"folds": 100}, "100 folds need at least 100 photos; there are 99"),
        (dataset(100), {"folds": 101}, "101 folds need at least 101 photos; there are 100"),
        (dataset(100, groups=np.full(100, "P1")), {"folds": 2}, "All photos are in the group 'P1'"),
        (dataset(100), {"split": True}, "has no official split"),
    ],
)
def test_what_cannot_be_drawn_is_refused(data, settings, message):
    with pytest.raises(InputError, match=message):
        check_folds(data, Experiment(**settings))
