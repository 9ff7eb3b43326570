from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.mask_folder import MaskFolder


@pytest.fixture
def paths(dataset_folder: Path) -> list[Path]:
    return sorted((dataset_folder / "images").iterdir())[:3]


@pytest.fixture
def masks(dataset_folder: Path) -> MaskFolder:
    return MaskFolder(dataset_folder / "masks")


def test_load_gives_the_views_by_hand(paths, masks):
    preprocessor = Preprocessor(masks, size=48, views=("photo", "segmented", "mask"))
    views = preprocessor.load(paths)
    assert list(views) == ["photo", "segmented", "mask"]
    for row, path in enumerate(paths):
        photo = images.resize(images.decode(tf.io.read_file(str(path))), 48).numpy()
        np.testing.assert_array_equal(views["photo"][row], photo)
        person = views["mask"][row] >= 128
        assert 0.05 < person.mean() < 0.9
        np.testing.assert_array_equal(views["segmented"][row], np.where(person, photo, 255))


def test_one_view_needs_no_segmenter(paths):
    preprocessor = Preprocessor(None, size=32, views=("photo",))
    assert preprocessor.load(paths)["photo"].shape == (3, 32, 32, 3)
    assert preprocessor.fingerprint is None
    with pytest.raises(ValueError, match="Expected a segmenter"):
        Preprocessor(None, size=32).load(paths)


def test_the_own_size_of_a_photo(paths, masks):
    with Image.open(paths[0]) as photo:
        width, height = photo.size
    views = Preprocessor(masks, size=None, views=("segmented",), background="black").load(paths[:1])
    assert views["segmented"].shape == (1, height, width, 3)


def test_mistakes(paths, tmp_path):
    with pytest.raises(ValueError, match="Expected views"):
        Preprocessor(None, views=("photo", "face"))
    with pytest.raises(ValueError, match="Expected background"):
        Preprocessor(None, background="pink")
    with pytest.raises(ValueError, match="at least one photo"):
        Preprocessor(None, views=("photo",)).load([])
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"text\.jpg"):
        Preprocessor(None, views=("photo",)).load([tmp_path / "text.jpg"])
    with pytest.raises(InputError, match="not a segmenter"):
        Preprocessor("nothing")


def test_it_shows_what_it_is(masks):
    assert repr(Preprocessor(None, size=64, views=("photo",))).startswith("Preprocessor(None, size=64, views=")
    assert "48 masks" in repr(Preprocessor(masks))
