from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_sister.data.blocks import write_block
from keras_sister.data.pipeline import evaluation_batches, training_batches
from keras_sister.data.view_store import ViewPairs

PHOTOS, SIZE = 23, 8
CHANNELS = {"photo": 3, "mask": 1}


@pytest.fixture
def views(tmp_path: Path) -> ViewPairs:
    """Photo and mask of row i are filled with i."""
    levels = np.arange(PHOTOS, dtype=np.uint8)[:, None, None, None]
    arrays = {f"{name}s": np.tile(levels, (1, SIZE, SIZE, channels)) for name, channels in CHANNELS.items()}
    write_block(tmp_path / "block", [str(row) for row in range(PHOTOS)], arrays)
    places = np.array([(0, row) for row in range(PHOTOS)], np.int32)
    return ViewPairs((tmp_path / "block",), places, SIZE, has_masks=True)


ROWS = np.arange(1, PHOTOS, 2)


def epochs(views: ViewPairs, first_epoch: int, *, seed: int = 5, augmented: bool = False, batch_size: int = 4) -> list:
    batches = training_batches(
        views, ROWS, batch_size=batch_size, seed=seed, first_epoch=first_epoch, epochs=3, augmented=augmented
    )
    return list(batches.as_numpy_iterator())


def rows_of(batches: list) -> np.ndarray:
    return np.concatenate([pairs["photo"][:, 0, 0, 0] for pairs, _ in batches])


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own(views):
    orders = rows_of(epochs(views, 0)).reshape(3, -1)
    for order in orders:
        assert sorted(order) == ROWS.tolist()
    assert len({tuple(order) for order in orders}) == 3


def test_photo_mask_and_rows_belong_together(views):
    for batches in (epochs(views, 0), list(evaluation_batches(views, ROWS, batch_size=5).as_numpy_iterator())):
        for pairs, rows in batches:
            np.testing.assert_array_equal(pairs["photo"][:, 0, 0, 0], rows)
            np.testing.assert_array_equal(pairs["mask"][:, 3, 3, 0], rows)


def test_batches_do_not_cross_epochs(views):
    sizes = [len(labels) for _, labels in epochs(views, 0)]
    assert sizes == [4, 4, 3] * 3


@pytest.mark.parametrize("augmented", [False, True])
def test_starting_later_gives_what_an_uninterrupted_training_would_have_seen(views, augmented):
    whole, later = (epochs(views, first, augmented=augmented) for first in (0, 2))
    assert len(later) == 3
    for (pairs, labels), (expected, expected_labels) in zip(later, whole[6:], strict=True):
        np.testing.assert_array_equal(pairs["photo"], expected["photo"])
        np.testing.assert_array_equal(pairs["mask"], expected["mask"])
        np.testing.assert_array_equal(labels, expected_labels)


def test_augmentation_of_a_row_does_not_depend_on_the_batches(views):
    def by_row(batch_size: int) -> dict[int, np.ndarray]:
        first_epoch = epochs(views, 0, augmented=True, batch_size=batch_size)[: -(-len(ROWS) // batch_size)]
        photos = np.concatenate([pairs["photo"] for pairs, _ in first_epoch])
        labels = np.concatenate([labels for _, labels in first_epoch])
        return {label: photo for photo, label in zip(photos, labels, strict=True)}

    fours, sevens = by_row(4), by_row(7)
    for row, photo in fours.items():
        np.testing.assert_array_equal(photo, sevens[row])


def test_the_seed_decides(views):
    assert rows_of(epochs(views, 0)).tolist() == rows_of(epochs(views, 0)).tolist()
    assert rows_of(epochs(views, 0)).tolist() != rows_of(epochs(views, 0, seed=6)).tolist()


def test_evaluation_keeps_the_order(views):
    rows = np.array([7, 3, 21, 4])
    assert rows_of(list(evaluation_batches(views, rows, batch_size=3).as_numpy_iterator())).tolist() == [
        7,
        3,
        21,
        4,
    ]


def test_views_without_masks_give_none(views):
    plain = replace(views, has_masks=False)
    pairs, _ = next(evaluation_batches(plain, ROWS, batch_size=2).as_numpy_iterator())
    assert set(pairs) == {"photo"}
