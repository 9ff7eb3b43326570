from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sister.data.segmentation.voc import is_voc, load_voc, read_mask
from keras_sister.errors import InputError
from tests.pixel_data import write_sbd_mask, write_voc


@pytest.fixture
def folder(tmp_path) -> Path:
    write_voc(tmp_path / "VOC2012", train=3, val=2, size=40)
    return tmp_path / "VOC2012"


def test_photos_splits_and_classes(folder):
    assert is_voc(folder)
    dataset = load_voc(folder)
    assert [photo.stem for photo in dataset.photos] == [f"2007_{i:06d}" for i in range(5)]
    assert (dataset.held_out, dataset.training_rows) == ((3, 4), (0, 1, 2))
    assert (len(dataset.classes), dataset.person, dataset.classes[15]) == (21, (15,), "person")
    for row, photo in enumerate(dataset.photos):
        labels = dataset.labels(row)
        with Image.open(photo) as image:
            assert labels.shape == (image.height, image.width)
        assert labels.dtype == np.uint8
        assert set(np.unique(labels)) == {0, 9, 15, 255}
        assert (labels[:, :8] == 9).all()


@pytest.mark.parametrize("kind", ["sbd", "png", "aug"])
def test_further_masks_add_photos_but_none_that_is_held_out(folder, kind):
    more = folder / "SegmentationClassAug" if kind == "aug" else folder.parent / "more"
    more.mkdir()
    Image.new("RGB", (30, 20)).save(folder / "JPEGImages" / "2008_000001.jpg")
    classes = np.zeros((20, 30), np.uint8)
    classes[5:, 5:] = 15
    for name in ("2008_000001", "2007_000000", "2007_000004"):
        if kind == "sbd":
            write_sbd_mask(more / f"{name}.mat", classes)
        else:
            Image.fromarray(classes).save(more / f"{name}.png")
    dataset = load_voc(folder, more_masks=None if kind == "aug" else more)
    names = [photo.stem for photo in dataset.photos]
    assert [names[row] for row in dataset.training_rows] == [*(f"2007_{i:06d}" for i in range(3)), "2008_000001"]
    assert [names[row] for row in dataset.held_out] == ["2007_000003", "2007_000004"]
    np.testing.assert_array_equal(dataset.labels(names.index("2008_000001")), classes)
    assert dataset.labels(0).shape == load_voc(folder).labels(0).shape  # VOC's own mask is kept


@pytest.mark.parametrize("row", [1, 5], ids=["VOC", "SBD"])
def test_a_mask_of_a_photo_that_its_exif_orientation_turns_is_refused(folder, row):
    """Stretched, it would be trained on sideways."""
    (folder.parent / "cls").mkdir()
    write_sbd_mask(folder.parent / "cls" / "2008_000001.mat", np.zeros((20, 30), np.uint8))
    Image.new("RGB", (30, 20)).save(folder / "JPEGImages" / "2008_000001.jpg")
    dataset = load_voc(folder, more_masks=folder.parent / "cls")
    mask = dataset.labels(row)
    with Image.open(dataset.photos[row]) as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(dataset.photos[row], exif=exif)
    height, width = mask.shape
    name = dataset.photos[row].stem
    with pytest.raises(InputError, match=rf"{name}\.\w+: the mask is {width} × {height} .* {height} × {width} once"):
        dataset.labels(row)


def test_what_is_wrong_is_named(folder, tmp_path):
    mask = folder / "SegmentationClass" / "2007_000001.png"
    whole = mask.read_bytes()
    for contents, fault in {
        whole[:100]: "000001.png: not a readable mask",
        b"no picture": "000001.png: not a readable mask",
    }.items():
        mask.write_bytes(contents)
        with pytest.raises(InputError, match=fault):
            load_voc(folder).labels(1)
    Image.new("RGB", (9, 9)).save(mask)
    with pytest.raises(InputError, match=r"000001\.png: an image of mode RGB"):
        load_voc(folder).labels(1)
    Image.new("L", (9, 9), 77).save(mask)
    with pytest.raises(InputError, match=r"000001\.png: 77 is not a class; expected 0 to 20"):
        load_voc(folder).labels(1)
    (tmp_path / "cls").mkdir()
    with pytest.raises(InputError, match="cls: no masks"):
        load_voc(folder, more_masks=tmp_path / "cls")
    (tmp_path / "cls" / "2007_000009.mat").write_bytes(b"x")
    with pytest.raises(InputError, match=r"2007_000009\.jpg: missing"):
        load_voc(folder, more_masks=tmp_path / "cls")
    with pytest.raises(InputError, match=r"2007_000009\.mat: not a readable mask"):
        read_mask(tmp_path / "cls" / "2007_000009.mat")
    mask.unlink()
    with pytest.raises(InputError, match=r"000001\.png: missing"):
        load_voc(folder)
    (folder / "ImageSets" / "Segmentation" / "val.txt").unlink()
    with pytest.raises(InputError, match=r"val\.txt: no such file"):
        load_voc(folder)
