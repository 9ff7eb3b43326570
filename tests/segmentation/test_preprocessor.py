from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_sister import images
from keras_sister.errors import InputError
from keras_sister.photo_files import UnreadablePhotosError
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_of_its_own_size_is_upright(orientation, tmp_path):
    """It cannot be turned after a resize to a square, as others are."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    preprocessor = Preprocessor(None, size=None, views=("photo",))
    np.testing.assert_array_equal(preprocessor.read((tmp_path / "a.png").read_bytes())["photo"], upright)
    np.testing.assert_array_equal(preprocessor.load([tmp_path / "a.png"])["photo"][0], upright)


@pytest.mark.parametrize(("pixels", "found"), [(99, False), (100, True)])
def test_a_sliver_of_a_person_counts_as_nobody(tmp_path, pixels, found):
    photo = np.random.default_rng(0).integers(0, 200, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "a.png")
    mask = np.zeros((100, 100), np.uint8)
    mask.ravel()[:pixels] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    segmenter = MaskFolder(tmp_path / "masks")
    views = Preprocessor(segmenter, size=100, views=("segmented", "mask")).load([tmp_path / "a.png"])
    np.testing.assert_array_equal(views["mask"][0, ..., 0], mask if found else 0)
    np.testing.assert_array_equal(views["segmented"][0], np.where(mask[..., None] > 0, photo, 255) if found else photo)
    every = Preprocessor(segmenter, size=100, views=("mask",), min_person_share=0)
    np.testing.assert_array_equal(every.load([tmp_path / "a.png"])["mask"][0, ..., 0], mask)
    assert every.fingerprint != Preprocessor(segmenter).fingerprint


def test_mistakes(paths, tmp_path):
    with pytest.raises(ValueError, match="Expected views"):
        Preprocessor(None, views=("photo", "face"))
    with pytest.raises(ValueError, match="Expected background"):
        Preprocessor(None, background="pink")
    with pytest.raises(ValueError, match="min_person_share from 0 to 1"):
        Preprocessor(None, min_person_share=float("nan"))
    with pytest.raises(ValueError, match="at least one photo"):
        Preprocessor(None, views=("photo",)).load([])
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"text\.jpg"):
        Preprocessor(None, views=("photo",)).load([tmp_path / "text.jpg"])
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(UnreadablePhotosError, match="2 of 5 photos cannot be read:") as error:
        Preprocessor(None, views=("photo",)).load([tmp_path / "text.jpg", *paths, tmp_path / "empty.png"])
    assert list(error.value.reasons) == [0, 4]
    assert all(f"{name}: " in str(error.value) for name in ("text.jpg", "empty.png"))
    with pytest.raises(InputError, match="not a segmenter"):
        Preprocessor("nothing")


def test_it_shows_what_it_is(masks):
    assert repr(Preprocessor(None, size=64, views=("photo",))).startswith("Preprocessor(None, size=64, views=")
    assert "48 masks" in repr(Preprocessor(masks))
