"""The feature store alone; `tests/training/test_one_pass.py` fills it with features of towers."""

from pathlib import Path

import numpy as np
import pytest

from keras_sister.data.blocks import BLOCK
from keras_sister.data.feature_store import FeatureStore
from keras_sister.errors import InputError

KEYS = [f"{number:064x}" for number in range(2 * BLOCK + 10)]


class Towers:
    """Computes features that depend on the photo and, in the last bits, on what is computed with it, as networks do."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        self.calls.append(rows.tolist())
        return np.stack([rows, rows * 0.1 + 1e-6 * len(rows) + 1e-6 * rows[0]], axis=1).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore({"tower": "3f", "view": "photo"}, cache=tmp_path)


def test_features_are_computed_once_in_blocks(store):
    first, second, counted = Towers(), Towers(), []
    store.fill(KEYS, first, on_photos=counted.append)
    assert [rows[0] for rows in first.calls] == [0, BLOCK, 2 * BLOCK]
    assert counted == [BLOCK, BLOCK, 10]
    store.fill(KEYS, second)
    assert second.calls == []
    np.testing.assert_array_equal(store.read(KEYS), np.concatenate([Towers()(np.array(rows)) for rows in first.calls]))


def test_a_pass_that_was_cut_off_ends_with_the_same_bits(store, tmp_path):
    other = FeatureStore(store.description, cache=tmp_path / "other")
    store.fill(KEYS, Towers())

    class CutOff(Towers):
        def __call__(self, rows: np.ndarray) -> np.ndarray:
            if rows[0]:
                raise KeyboardInterrupt
            return super().__call__(rows)

    with pytest.raises(KeyboardInterrupt):
        other.fill(KEYS, CutOff())
    rest = Towers()
    other.fill(KEYS, rest)
    assert len(rest.calls) == 2
    assert other.read(KEYS).tobytes() == store.read(KEYS).tobytes()


@pytest.mark.parametrize("damaged", ["features.npy", "index.json"])
def test_a_damaged_block_is_computed_again(store, damaged):
    store.fill(KEYS, Towers())
    before = store.read(KEYS).tobytes()
    block = sorted(path for path in store.folder.iterdir() if path.is_dir())[1]
    contents = bytearray((block / damaged).read_bytes())
    contents[len(contents) // 2] ^= 1
    (block / damaged).write_bytes(contents)
    with pytest.raises(InputError, match=rf"{block.name}: missing or damaged; .* --resume"):
        store.read(KEYS)
    again = Towers()
    store.fill(KEYS, again)
    assert len(again.calls) == 1
    assert store.read(KEYS).tobytes() == before


def test_a_missing_block_is_named_when_it_is_read(store):
    store.fill(KEYS[:BLOCK], Towers())
    with pytest.raises(InputError, match="missing or damaged"):
        store.read(KEYS)


def test_what_determines_the_features_determines_the_folder(store, tmp_path):
    others = [{"tower": "3f", "view": "segmented"}, {"tower": "4f", "view": "photo"}, {"tower": "3f"}]
    folders = {FeatureStore(description, cache=tmp_path).folder for description in others}
    assert len(folders | {store.folder}) == 4
    assert FeatureStore({"view": "photo", "tower": "3f"}, cache=tmp_path).folder == store.folder
    assert FeatureStore(store.description, cache=tmp_path).folder.parent == tmp_path / "features"


def test_features_are_read_without_a_copy_in_memory_and_leave_no_file(store):
    store.fill(KEYS, Towers())
    before = sorted(store.folder.iterdir())
    features = store.read(KEYS)
    assert isinstance(features, np.memmap)
    assert sorted(store.folder.iterdir()) == before
    assert not features.flags.writeable
