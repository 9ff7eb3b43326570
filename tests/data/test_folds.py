import numpy as np
import pytest

from keras_sister.data.folds import inner_split, stratified_folds
from keras_sister.errors import InputError
from keras_sister.schema import DCSA


def draw_labels(photos: int, seed: int = 0) -> np.ndarray:
    """Random labels; every attribute has a rarer last class and a fifth of unknown ones."""
    rng = np.random.default_rng(seed)
    columns = []
    for attribute in DCSA:
        shares = np.arange(len(attribute.classes), 0, -1.0) ** 2
        classes = rng.choice(len(attribute.classes), photos, p=shares / shares.sum())
        columns.append(np.where(rng.random(photos) < 0.2, -1, classes))
    return np.stack(columns, axis=1).astype(np.int8)


@pytest.mark.parametrize(("photos", "folds"), [(400, 2), (400, 16), (1856, 16), (12, 4), (5, 5)])
def test_each_photo_is_in_exactly_one_fold(photos, folds):
    drawn = stratified_folds(draw_labels(photos), DCSA, folds=folds, seed=0)
    assert len(drawn) == folds
    assert sorted(np.concatenate(drawn).tolist()) == list(range(photos))
    assert all(len(fold) for fold in drawn)


def test_classes_are_spread_better_than_by_chance():
    labels = draw_labels(800)
    columns = np.concatenate([labels[:, [i]] == np.arange(len(a.classes)) for i, a in enumerate(DCSA)], axis=1)

    def unevenness(folds: list[np.ndarray]) -> float:
        shares = np.stack([columns[fold].mean(axis=0) for fold in folds])
        return float((shares.std(axis=0) / shares.mean(axis=0)).mean())

    shuffled = np.array_split(np.random.default_rng(0).permutation(800), 8)
    assert unevenness(stratified_folds(labels, DCSA, folds=8, seed=0)) < 0.7 * unevenness(shuffled)


def test_the_seed_decides():
    labels = draw_labels(100)
    first, again, other = (stratified_folds(labels, DCSA, folds=4, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_photos_without_labels_are_spread_too():
    labels = np.full((40, len(DCSA)), -1, np.int8)
    assert {len(fold) for fold in stratified_folds(labels, DCSA, folds=4, seed=0)} == {10}


def test_too_few_photos_are_refused():
    with pytest.raises(InputError, match="--folds"):
        stratified_folds(draw_labels(3), DCSA, folds=4, seed=0)


@pytest.mark.parametrize("photos", [2, 9, 300])
def test_the_inner_split_divides_the_given_rows(photos):
    labels = draw_labels(400)
    rows = np.sort(np.random.default_rng(1).choice(400, photos, replace=False))
    train, validation = inner_split(labels, DCSA, rows, seed=0)
    assert sorted([*train, *validation]) == rows.tolist()
    assert len(train) > 0
    assert len(validation) > 0
    if photos == 300:
        assert len(validation) == pytest.approx(300 / 8, rel=0.15)
