from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from keras_sister.data.segmentation.cfpd import is_cfpd, load_cfpd
from keras_sister.errors import InputError
from tests.pixel_data import CFPD_NAMES, write_cfpd


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, list[np.ndarray]]:
    folder = tmp_path_factory.mktemp("CFPD")
    return folder, write_cfpd(folder, photos=7, size=40)


def test_pixels_have_the_classes_of_their_superpixels(written):
    folder, truth = written
    assert is_cfpd(folder)
    dataset = load_cfpd(folder)
    assert [photo.name for photo in dataset.photos] == [f"{i + 1}.jpg" for i in range(7)]
    assert (dataset.held_out, dataset.training_rows) == ((0, 5), (1, 2, 3, 4, 6))
    for row, photo in enumerate(dataset.photos):
        labels = dataset.labels(row)
        with Image.open(photo) as image:
            assert labels.shape == (image.height, image.width)
        np.testing.assert_array_equal(labels, truth[row])
        assert len(np.unique(labels)) >= 3


def test_all_but_the_background_is_person(written):
    dataset = load_cfpd(written[0])
    assert list(dataset.classes) == CFPD_NAMES
    assert dataset.person == tuple(range(1, 23))


def test_superpixels_of_a_photo_that_its_exif_orientation_turns_are_refused(tmp_path):
    write_cfpd(tmp_path, photos=2, size=40)
    dataset = load_cfpd(tmp_path)
    height, width = dataset.labels(1).shape
    with Image.open(dataset.photos[1]) as image:
        exif = Image.Exif()
        exif[0x0112] = 8
        image.save(dataset.photos[1], exif=exif)
    dataset.labels(0)
    with pytest.raises(InputError, match=rf"2\.jpg: the mask is {width} × {height} .* {height} × {width} once"):
        dataset.labels(1)


def test_what_is_wrong_is_named(tmp_path):
    write_cfpd(tmp_path, photos=2, size=40)
    file = tmp_path / "fashon_parsing_data.mat"
    (tmp_path / "image" / "2.jpg").unlink()
    with pytest.raises(InputError, match=r"1 photos of fashon_parsing_data\.mat are missing, such as 2\.jpg"):
        load_cfpd(tmp_path)
    Image.new("RGB", (40, 50)).save(tmp_path / "image" / "2.jpg")
    dataset = load_cfpd(tmp_path)
    with h5py.File(file, "r+") as content:
        content["#refs#/cell0/category_label"][:] = 24
        content["#refs#/cell1/segmentation"][0, 0] = 9999
    with pytest.raises(InputError, match=r"fashon_parsing_data\.mat, 1\.jpg: 23 is not a class; expected 0 to 22"):
        dataset.labels(0)
    with pytest.raises(InputError, match=r"2\.jpg: super-pixel 9999"):
        dataset.labels(1)
    with h5py.File(file, "w") as content:
        content["something"] = 1
    with pytest.raises(InputError, match="not the file of CFPD"):
        load_cfpd(tmp_path)
    file.write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match="not the file of CFPD"):
        load_cfpd(tmp_path)
