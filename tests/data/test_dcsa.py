from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from keras_sister.data import dcsa
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.schema import DCSA, UNKNOWN


@pytest.fixture
def labels() -> np.ndarray:
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, len(attribute.classes), 5) for attribute in DCSA], axis=1).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = UNKNOWN
    return labels


@pytest.fixture
def folder(tmp_path: Path, labels: np.ndarray) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(1, 6):
        Image.new("RGB", (8, 9)).save(tmp_path / "images" / f"{number:06d}.jpg")
    dcsa.write_labels(tmp_path, DCSA, labels)
    return tmp_path


def write(folder: Path, name: str, values: object) -> Path:
    file = folder / "labels" / f"{name}_GT.mat"
    scipy.io.savemat(file, {"GT": values})
    return file


def test_what_is_written_is_read(folder, labels):
    dataset = load_dcsa(folder)
    np.testing.assert_array_equal(dataset.labels, labels)
    assert dataset.labels.dtype == np.int32
    assert [photo.name for photo in dataset.photos] == [f"{number:06d}.jpg" for number in range(1, 6)]
    assert dataset.schema == DCSA


def test_the_files_are_those_of_matlab(folder, labels):
    read = scipy.io.loadmat(folder / "labels" / "neckline_GT.mat")["GT"]
    column = labels[:, DCSA.names.index("neckline")]
    np.testing.assert_array_equal(read.ravel(), np.where(column == UNKNOWN, np.nan, column + 1.0))


def test_the_same_labels_make_the_same_bytes(folder, labels, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    dcsa.write_labels(other, DCSA, labels)
    for file in (folder / "labels").iterdir():
        assert file.read_bytes() == (other / "labels" / file.name).read_bytes()


@pytest.mark.parametrize(
    "values",
    [[[1.0, 2, np.nan, 1, 2]], [[1.0], [2], [np.nan], [1], [2]], [1.0, 2, np.nan, 1, 2]],
    ids=["row", "column", "vector"],
)
def test_vectors_of_any_direction(folder, values):
    write(folder, "scarf", np.array(values))
    assert load_dcsa(folder).labels[:, DCSA.names.index("scarf")].tolist() == [0, 1, UNKNOWN, 0, 1]


def test_whole_numbers(folder):
    write(folder, "category", np.array([7, 1, 2, 3, 4], np.uint8))
    assert load_dcsa(folder).labels[:, DCSA.names.index("category")].tolist() == [6, 0, 1, 2, 3]


def test_photos_of_other_endings_in_the_order_of_their_numbers(folder):
    images = folder / "images"
    (images / "000002.jpg").rename(images / "2.JPEG")
    (images / "000004.jpg").rename(images / "04.png")
    (images / "notes.txt").write_text("no photo")
    names = [photo.name for photo in load_dcsa(folder).photos]
    assert names == ["000001.jpg", "2.JPEG", "000003.jpg", "04.png", "000005.jpg"]


def test_mistakes_in_labels_name_the_file(folder):
    mistakes = {
        "three": (np.array([1.0, 2, 3, 1, 1]), "photo 3 has the label 3; expected 1 to 2, or NaN"),
        "zero": (np.array([1.0, 0, 1, 1, 1]), "photo 2 has the label 0"),
        "half": (np.array([1.5, 1, 1, 1, 1]), "photo 1 has the label 1.5"),
        "infinite": (np.array([np.inf, 1, 1, 1, 1]), "photo 1 has the label inf"),
        "short": (np.array([1.0, 2, 1]), "3 labels for 5 photos"),
        "matrix": (np.ones((5, 2)), "not a vector"),
        "text": ("hello", "not a vector of numbers"),
    }
    for values, message in mistakes.values():
        file = write(folder, "scarf", values)
        with pytest.raises(InputError, match=message) as caught:
            load_dcsa(folder)
        assert str(file) in str(caught.value)


def test_files_that_are_broken_or_missing_are_named(folder):
    file = folder / "labels" / "scarf_GT.mat"
    whole = file.read_bytes()
    for contents, message in {
        b"": "not a readable",
        b"no matlab": "not a readable",
        whole[:150]: "not a readable",
    }.items():
        file.write_bytes(contents)
        with pytest.raises(InputError, match=rf"scarf_GT\.mat: {message}"):
            load_dcsa(folder)
    scipy.io.savemat(file, {"labels": np.ones(5)})
    with pytest.raises(InputError, match=r"scarf_GT\.mat: no variable GT"):
        load_dcsa(folder)
    file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(InputError, match=r"scarf_GT\.mat: MATLAB 7\.3 format"):
        load_dcsa(folder)
    file.unlink()
    with pytest.raises(InputError, match=r"scarf_GT\.mat: missing"):
        load_dcsa(folder)


def test_photos_that_are_missing_or_misnamed_are_named(folder):
    images = folder / "images"
    (images / "000003.jpg").rename(images / "third.jpg")
    with pytest.raises(InputError, match=r"third\.jpg: the name must be a number.*more"):
        load_dcsa(folder)
    (images / "third.jpg").unlink()
    with pytest.raises(InputError, match=r"000003\.jpg: missing"):
        load_dcsa(folder)
    (images / "3.png").write_bytes(b"")
    (images / "03.png").write_bytes(b"")
    with pytest.raises(InputError, match="the same number"):
        load_dcsa(folder)


def test_a_photo_that_is_missing_does_not_shift_the_labels_of_the_others(folder, labels):
    (folder / "images" / "000003.jpg").unlink()
    photos, problems = dcsa.find_photos(folder)
    read, more = dcsa.read_labels(folder, DCSA, photos)
    np.testing.assert_array_equal(read, labels[[0, 1, 3, 4]])
    assert (len(problems), more) == (1, [])


def test_photos_named_by_long_numbers_are_no_dataset(folder):
    (folder / "images" / "000005.jpg").rename(folder / "images" / "1526112345678.jpg")
    with pytest.raises(InputError, match=r"000005\.jpg: missing \(and 1526112345672 more\)"):
        load_dcsa(folder)


def test_folders_that_are_no_dataset(tmp_path):
    with pytest.raises(InputError, match="images: no such folder"):
        load_dcsa(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="images: no JPEG, PNG or WebP"):
        load_dcsa(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "1.jpg")
    with pytest.raises(InputError, match="labels: no such folder"):
        load_dcsa(tmp_path)
