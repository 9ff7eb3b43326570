import json
import shutil
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
from keras_sister.street.outfits import UNKNOWN_RATES, hide_labels, random_outfit


def column(labels: np.ndarray, name: str) -> np.ndarray:
    return labels[..., DCSA.names.index(name)]


def class_of(labels: np.ndarray, name: str) -> str:
    attribute = DCSA.attributes[DCSA.names.index(name)]
    return attribute.classes[column(labels, name)]


@pytest.fixture(scope="module")
def streets() -> list[Street]:
    return [draw_photo(3, index) for index in range(40)]


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.stack([random_outfit(np.random.default_rng([0, index])).labels for index in range(4000)])


def test_the_same_seed_gives_the_same_photo_and_another_seed_another():
    first, again, other = draw_photo(0, 5), draw_photo(0, 5), draw_photo(1, 5)
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.mask, again.mask)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.photo.shape != other.photo.shape or (first.photo != other.photo).any()


def test_the_size_of_photos_and_persons_varies(streets):
    shapes = {street.photo.shape for street in streets}
    assert len(shapes) > 34
    assert all(min(shape[:2]) >= 150 and shape[0] > shape[1] for shape in shapes)
    shares = np.array([(street.mask > 0).mean() for street in streets])
    assert shares.min() > 0.04
    assert shares.max() < 0.75
    assert shares.std() > 0.05


def test_masks_are_binary_and_show_one_person(streets):
    for street in streets:
        assert street.mask.shape == street.photo.shape[:2]
        assert street.mask.dtype == street.photo.dtype == np.uint8
        assert set(np.unique(street.mask)) == {0, 255}
        parts, _ = label(street.mask)
        assert np.bincount(parts.ravel())[1:].max() > 0.95 * (street.mask > 0).sum()


def test_every_class_is_frequent_enough_to_learn(labels):
    for attribute, values in zip(DCSA, labels.T, strict=True):
        rates = np.bincount(values, minlength=len(attribute.classes)) / len(values)
        assert len(rates) == len(attribute.classes)
        assert rates.min() > (0.04 if attribute.is_binary else 0.05), attribute.name


def test_labels_of_a_photo_are_consistent(labels):
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


def test_labels_are_unknown_at_the_rates_of_dcsa(labels):
    hidden = hide_labels(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(hidden[hidden != UNKNOWN], labels[hidden != UNKNOWN])
    for name, rates in zip(DCSA.names, (hidden == UNKNOWN).T, strict=True):
        if name in UNKNOWN_RATES:
            assert rates.mean() == pytest.approx(UNKNOWN_RATES[name], abs=0.03)
        else:
            assert 0.02 < rates.mean() < 0.22


def test_colors_show_on_the_person_and_not_in_the_background(streets):
    """Pixels near a colour are more frequent on persons who wear it, but not in their backgrounds."""
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


def test_bare_skin_shows_in_the_pixels(streets):
    """Persons with bare arms and legs have more pixels in the colour of their face."""
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
    calls = []
    write_street(tmp_path / "a", photos=4, seed=4, on_photo=lambda: calls.append(1))
    assert len(calls) == 4
    dataset = load_dcsa(tmp_path / "a")
    for index, photo in enumerate(dataset.photos):
        street = draw_photo(4, index)
        known = dataset.labels[index] != UNKNOWN
        np.testing.assert_array_equal(dataset.labels[index][known], street.labels[known])
        read = np.asarray(Image.open(photo), float)
        assert np.abs(read - street.photo).mean() < 8  # JPEG
        mask = Image.open(tmp_path / "a" / "masks" / f"{photo.stem}.png")
        np.testing.assert_array_equal(np.asarray(mask), street.mask)

    write_street(tmp_path / "b", photos=3, seed=4)
    for name in ("images/000003.jpg", "masks/000003.png"):  # a photo does not depend on the number of photos
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_interrupted_dataset_is_completed_and_finished_files_are_kept(tmp_path):
    write_street(tmp_path, photos=3, seed=0)
    whole = contents(tmp_path)
    (tmp_path / "images" / "000002.jpg").unlink()
    (tmp_path / "masks" / "000003.png").unlink()
    (tmp_path / "labels" / "red_GT.mat").unlink()
    kept = (tmp_path / "images" / "000001.jpg").stat().st_mtime_ns
    write_street(tmp_path, photos=3, seed=0)
    assert contents(tmp_path) == whole
    assert (tmp_path / "images" / "000001.jpg").stat().st_mtime_ns == kept


@pytest.fixture(scope="module")
def two_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset; read only."""
    folder = tmp_path_factory.mktemp("street")
    write_street(folder, photos=2, seed=1)
    return folder


@pytest.mark.parametrize("other", [{"photos": 3, "seed": 1}, {"photos": 2, "seed": 0}])
def test_another_dataset_is_not_overwritten(tmp_path, other, two_photos):
    shutil.copytree(two_photos, tmp_path, dirs_exist_ok=True)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="choose another folder"):
        write_street(tmp_path, **other)
    assert contents(tmp_path) == before
    assert json.loads(before["street.json"])["seed"] == 1


def test_a_folder_with_other_contents_is_refused_and_not_changed(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="already exists with other contents"):
        write_street(tmp_path, photos=1, seed=0)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_garment_lies_on_the_person_and_has_its_colour(streets):
    """White tops are bright and black ones dark, on average."""
    seen = {"white": [], "black": []}
    for street in streets:
        assert 0.03 < street.garment.mean() < (street.mask > 0).mean()
        assert (street.mask[street.garment] > 0).mean() > 0.95
        for name, photos in seen.items():
            plain = street.labels[DCSA.names.index("pattern_solid")] == 1
            if plain and street.labels[DCSA.names.index(name)] == 1:
                photos.append(street.photo[street.garment].mean())
    assert min(map(len, seen.values())) > 0
    assert np.mean(seen["white"]) > 2 * np.mean(seen["black"])
