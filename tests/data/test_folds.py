import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from keras_sister.data.folds import inner_split, stratified_folds
from keras_sister.errors import InputError
from keras_sister.schema import DCSA, Attribute, Schema


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


def unevenness(labels: np.ndarray, folds: list[np.ndarray]) -> float:
    columns = np.concatenate([labels[:, [i]] == np.arange(len(a.classes)) for i, a in enumerate(DCSA)], axis=1)
    shares = np.stack([columns[fold].sum(axis=0) / columns.sum(axis=0) for fold in folds])
    return float((shares.std(axis=0) / shares.mean(axis=0)).mean())


@pytest.mark.parametrize(("photos", "names", "folds"), [(400, 150, 2), (800, 300, 8), (60, 8, 4), (40, 5, 5)])
def test_groups_are_never_torn(photos, names, folds):
    labels = draw_labels(photos)
    groups = np.array([f"sku {i}" for i in np.random.default_rng(1).integers(0, names, photos)])
    drawn = stratified_folds(labels, DCSA, folds=folds, seed=0, groups=groups)
    assert sorted(np.concatenate(drawn).tolist()) == list(range(photos))
    assert all(len(fold) for fold in drawn)
    fold_of = {row: fold for fold, rows in enumerate(drawn) for row in rows.tolist()}
    for name in groups:
        assert len({fold_of[row] for row in np.flatnonzero(groups == name)}) == 1
    rest = np.setdiff1d(np.arange(photos), drawn[0])
    train, validation = inner_split(labels, DCSA, rest, seed=0, groups=groups)
    assert sorted([*train, *validation]) == rest.tolist()
    assert not set(groups[train]) & set(groups[validation])
    assert len(validation) > 0


def test_groups_are_stratified_and_of_equal_size():
    """As even as iterative stratification without groups, and much more than groups by chance."""
    labels = draw_labels(800)
    groups = np.random.default_rng(1).integers(0, 250, 800)
    ours = stratified_folds(labels, DCSA, folds=8, seed=0, groups=groups)
    shuffled = np.random.default_rng(2).permutation(np.unique(groups))
    chance = [np.flatnonzero(np.isin(groups, part)) for part in np.array_split(shuffled, 8)]
    assert unevenness(labels, ours) < 1.1 * unevenness(labels, stratified_folds(labels, DCSA, folds=8, seed=0))
    assert unevenness(labels, ours) < 0.6 * unevenness(labels, chance)
    assert max(map(len, ours)) - min(map(len, ours)) <= 8


def test_one_class_and_groups_agree_with_scikit_learn():
    """Where scikit-learn has the method, for one attribute, ours is about as even."""
    rng = np.random.default_rng(0)
    schema = Schema((Attribute("kind", ("a", "b", "c")),))
    labels = rng.choice(3, 300, p=[0.7, 0.2, 0.1])[:, None].astype(np.int8)
    groups = rng.integers(0, 90, 300)

    def spread(folds: list[np.ndarray]) -> float:
        return float(np.std([[(labels[fold] == c).mean() for c in range(3)] for fold in folds], axis=0).mean())

    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels[:, 0], groups)
    ours = stratified_folds(labels, schema, folds=5, seed=0, groups=groups)
    assert spread(ours) < 1.5 * spread([test for _, test in theirs]) + 0.005


def test_the_seed_decides_about_groups():
    labels, groups = draw_labels(100), np.arange(100) // 3
    first, again, other = (stratified_folds(labels, DCSA, folds=4, seed=s, groups=groups) for s in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_too_few_groups_are_refused():
    labels, groups = draw_labels(40), np.arange(40) // 20
    with pytest.raises(InputError, match="at least 4 groups; there are 2"):
        stratified_folds(labels, DCSA, folds=4, seed=0, groups=groups)
    with pytest.raises(InputError, match="1 group of training photos cannot be split"):
        inner_split(labels, DCSA, np.arange(20), seed=0, groups=groups)
