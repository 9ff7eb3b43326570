import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.schema import DCSA, UNKNOWN
from keras_sister.street import Street, draw_photo, write_street
from keras_sister.street.fabrics import COLORS
from keras_sister.street.outfits import UNKNOWN_RATES, dress, hide


def column(labels: np.ndarray, name: str) -> np.ndarray:
    return labels[..., DCSA.names.index(name)]


def class_of(labels: np.ndarray, name: str) -> str:
    attribute = DCSA.attributes[DCSA.names.index(name)]
    return attribute.classes[column(labels, name)]


@pytest.fixture(scope="module")
def streets() -> list[Street]:
    return [draw_photo(3, index) for index in range(120)]


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.stack([dress(np.random.default_rng([0, index])).labels for index in range(4000)])


def test_a_photo_is_always_the_same_and_others_are_not():
    first, again, other = draw_photo(0, 5), draw_photo(0, 5), draw_photo(1, 5)
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.mask, again.mask)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.photo.shape != other.photo.shape or (first.photo != other.photo).any()


def test_photos_vary_in_size_and_the_person_in_share(streets):
    shapes = {street.photo.shape for street in streets}
    assert len(shapes) > 100
    assert all(min(shape[:2]) >= 150 and shape[0] > shape[1] for shape in shapes)
    shares = np.array([(street.mask > 0).mean() for street in streets])
    assert shares.min() > 0.04
    assert shares.max() < 0.75
    assert shares.std() > 0.05


def test_masks_are_one_person_in_black_and_white(streets):
    for street in streets:
        assert street.mask.shape == street.photo.shape[:2]
        assert street.mask.dtype == street.photo.dtype == np.uint8
        assert set(np.unique(street.mask)) == {0, 255}
        parts, _ = label(street.mask)
        assert np.bincount(parts.ravel())[1:].max() > 0.95 * (street.mask > 0).sum()


def test_every_class_is_common_enough_to_be_learnt(labels):
    for attribute, values in zip(DCSA, labels.T, strict=True):
        rates = np.bincount(values, minlength=len(attribute.classes)) / len(values)
        assert len(rates) == len(attribute.classes)
        assert rates.min() > (0.04 if attribute.is_binary else 0.05), attribute.name


def test_labels_go_together(labels):
    for row in labels:
        category = class_of(row, "category")
        if category in ("suit", "outerwear"):
            assert class_of(row, "sleevelength") == "long"
        if category == "tank_top":
            assert class_of(row, "sleevelength") == "none"
        if category in ("suit", "shirt"):
            assert column(row, "placket")
        if column(row, "necktie"):
            assert category in ("suit", "shirt")
            assert not column(row, "scarf")
        worn = sum(column(row, color) for color in COLORS)
        assert worn >= 1
        assert column(row, "many_colors") == (worn > 2)
        assert sum(column(row, name) for name in DCSA.names if name.startswith("pattern_")) >= 1


def test_as_many_labels_are_unknown_as_in_dcsa(labels):
    hidden = hide(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(hidden[hidden != UNKNOWN], labels[hidden != UNKNOWN])
    for name, rates in zip(DCSA.names, (hidden == UNKNOWN).T, strict=True):
        if name in UNKNOWN_RATES:
            assert rates.mean() == pytest.approx(UNKNOWN_RATES[name], abs=0.03)
        else:
            assert 0.02 < rates.mean() < 0.22


def test_colors_are_in_the_pixels_of_the_person_and_not_of_the_background(streets):
    """Pixels near a colour are more frequent on those who wear it; behind them, they are not."""
    for color in ("red", "green", "blue", "yellow", "purple"):
        worn = np.array([bool(column(street.labels, color)) for street in streets])
        near = np.array([_share_near(street, color) for street in streets])  # (photos, person and background)
        assert near[worn, 0].mean() > 2 * near[~worn, 0].mean(), color
        assert near[worn, 1].mean() < 2 * near[~worn, 1].mean() + 0.01, color


def _share_near(street: Street, color: str) -> tuple[float, float]:
    pixels = street.photo.astype(float)
    pixels /= pixels.sum(axis=2, keepdims=True) + 1
    target = np.array(COLORS[color]) / sum(COLORS[color])
    near = np.linalg.norm(pixels - target, axis=2) < 0.1
    return float(near[street.mask > 0].mean()), float(near[street.mask == 0].mean())


def test_bare_skin_is_in_the_pixels(streets):
    """The colour of the person's own face covers more of those whose arms and legs are bare."""
    bare = np.array([bool(column(street.labels, "skin_exposure")) for street in streets])
    shares = []
    for street in streets:
        rows, columns = np.nonzero(street.mask)
        face = street.photo[
            rows.min() + round(0.06 * street.mask.shape[0]), round(columns[rows < rows.min() + 9].mean())
        ]
        person = street.photo[street.mask > 0].astype(float)
        shares.append((np.abs(person - face).max(axis=1) < 30).mean())
    assert np.array(shares)[bare].mean() > 1.2 * np.array(shares)[~bare].mean()


def test_a_dataset_is_read_back(tmp_path):
    told = []
    write_street(tmp_path / "a", photos=6, seed=4, on_photo=lambda: told.append(1))
    assert len(told) == 6
    dataset = load_dcsa(tmp_path / "a")
    for index, photo in enumerate(dataset.photos):
        street = draw_photo(4, index)
        known = dataset.labels[index] != UNKNOWN
        np.testing.assert_array_equal(dataset.labels[index][known], street.labels[known])
        read = np.asarray(Image.open(photo), float)
        assert np.abs(read - street.photo).mean() < 8  # JPEG
        mask = Image.open(tmp_path / "a" / "masks" / f"{photo.stem}.png")
        np.testing.assert_array_equal(np.asarray(mask), street.mask)

    write_street(tmp_path / "b", photos=4, seed=4)
    for name in ("images/000003.jpg", "masks/000003.png"):  # a photo does not depend on how many there are
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_killed_dataset_is_finished_and_a_finished_one_left_alone(tmp_path):
    write_street(tmp_path, photos=3, seed=0)
    whole = contents(tmp_path)
    (tmp_path / "images" / "000002.jpg").unlink()
    (tmp_path / "masks" / "000003.png").unlink()
    (tmp_path / "labels" / "red_GT.mat").unlink()
    kept = (tmp_path / "images" / "000001.jpg").stat().st_mtime_ns
    write_street(tmp_path, photos=3, seed=0)
    assert contents(tmp_path) == whole
    assert (tmp_path / "images" / "000001.jpg").stat().st_mtime_ns == kept


@pytest.mark.parametrize("other", [{"photos": 3, "seed": 1}, {"photos": 2, "seed": 0}])
def test_another_dataset_is_not_drawn_over(tmp_path, other):
    write_street(tmp_path, photos=2, seed=1)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="choose another folder"):
        write_street(tmp_path, **other)
    assert contents(tmp_path) == before
    assert json.loads(before["street.json"])["seed"] == 1


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not these drawn photos"):
        write_street(tmp_path, photos=1, seed=0)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
