from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw

from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.mask_folder import MaskFolder
from keras_sister.segmentation.segmenters.open import open_segmenter

from ...test_orientation import PLACES, SMALL, exif
from ...test_orientation import photo as photo_of

MASK = np.zeros((20, 16), np.uint8)
MASK[4:16, 4:12] = 255
IMAGES = tf.zeros((1, 20, 16, 3), tf.uint8)


def swapped(image: Image.Image) -> Image.Image:
    image.putpalette([255 - level for level in image.getpalette() or []])
    return image


def look_up(folder: Path, images: tf.Tensor = IMAGES) -> np.ndarray:
    return MaskFolder(folder)(images, tf.constant(["000001"]))[0, ..., 0].numpy()


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(MASK),
        Image.fromarray(MASK).convert("1"),
        Image.fromarray(MASK).convert("P"),
        Image.fromarray(MASK).convert("RGB"),
        Image.fromarray(MASK).convert("RGBA"),
        Image.fromarray(MASK // 255),
        swapped(Image.fromarray(255 - MASK).convert("1").convert("P")),
    ],
    ids=["grey", "1 bit", "palette", "colour", "alpha", "0 and 1", "palette from white to black"],
)
def test_masks_of_every_kind(image, tmp_path):
    image.save(tmp_path / "000001.png")
    np.testing.assert_allclose(look_up(tmp_path), MASK / 255)


@pytest.mark.parametrize("name", ["000001.PNG", "000001.NPY"])
def test_endings_in_upper_case(name, tmp_path):
    with (tmp_path / name).open("wb") as file:
        Image.fromarray(MASK).save(file, "PNG") if name.endswith("PNG") else np.save(file, MASK)
    MaskFolder(tmp_path).check([Path("000001.JPG")])
    np.testing.assert_allclose(look_up(tmp_path), MASK / 255)


@pytest.mark.parametrize(
    "array",
    [
        MASK,
        MASK > 0,
        MASK[..., None],
        MASK / 255,
        (MASK / 255).astype(np.float16),
        MASK.astype(np.uint16) * 257,
        (MASK > 0).astype(np.int64),
        MASK.astype(np.int32),
        (MASK / 255 * 1.0005 - 2e-4).astype(np.float32),
        np.where(MASK == 255, 1.08, MASK / 255),
    ],
    ids=["grey", "bool", "one channel", "float", "half", "16 bit", "argmax", "signed", "resized floats", "bicubic"],
)
def test_masks_as_numpy_arrays(array, tmp_path):
    np.save(tmp_path / "000001.npy", array)
    np.testing.assert_allclose(look_up(tmp_path), MASK / 255, atol=1e-3)


NEGATIVE, TOO_HIGH = np.where(MASK, 1, -1), MASK * 1e6
NOT_A_NUMBER, INFINITE = np.where(MASK, 1, np.nan), np.where(MASK, np.inf, 0)


def test_a_png_of_16_bits_keeps_them(tmp_path):
    Image.fromarray(MASK.astype(np.uint16) * 100).save(tmp_path / "000001.png")
    np.testing.assert_allclose(look_up(tmp_path), MASK * (100 / 65535), atol=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        *(np.zeros((4, 4, 3)), np.array(["a"]), np.zeros(5), np.array([{}], object)),
        *(NEGATIVE, TOO_HIGH, NOT_A_NUMBER, INFINITE, NOT_A_NUMBER.astype(np.float16)),
    ],
)
def test_arrays_that_are_no_mask_are_named(array, tmp_path):
    np.save(tmp_path / "000001.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"000001\.npy: not a readable mask"):
        MaskFolder(tmp_path).check([Path("000001.jpg")])


CLASSES = np.where(MASK > 0, np.uint8(15), np.uint8(4))
CLASSES[:3] = 0
COLOURED = Image.fromarray(CLASSES)
COLOURED.putpalette([value for number in range(256) for value in (number, 255 - number, 7 * number % 256)])
CUT_OUT = Image.fromarray(np.dstack([np.full((20, 16, 3), 200, np.uint8), MASK]))
WITH_VOID = CLASSES.copy()
WITH_VOID[4] = 255  # as VOC marks the border of an object


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray(CLASSES), "areas of the values 0, 4, 15 look like class numbers.*#person=NUMBER"),
        (Image.fromarray(WITH_VOID), "areas of the values 0, 4, 15, 255 look like class numbers"),
        (COLOURED, "has colours.*#person=NUMBER"),
        (COLOURED.convert("RGB"), "has colours"),
        (CUT_OUT, "transparent in places"),
    ],
    ids=["class numbers", "with a border", "palette", "colours", "cut-out"],
)
def test_pictures_that_are_no_mask_are_refused(image, message, tmp_path):
    image.save(tmp_path / "000001.png")
    with pytest.raises(InputError, match=rf"000001\.png: {message}"):
        MaskFolder(tmp_path).check([Path("000001.jpg")])


@pytest.mark.parametrize("image", [Image.fromarray(CLASSES), COLOURED, None], ids=["grey", "palette", "array"])
def test_one_of_several_class_numbers_is_the_person(image, tmp_path):
    image.save(tmp_path / "000001.png") if image else np.save(tmp_path / "000001.npy", CLASSES.astype(np.int64))
    segmenter = open_segmenter(f"masks:{tmp_path}#person=15")
    segmenter.check([Path("000001.jpg")])
    np.testing.assert_array_equal(segmenter(IMAGES, tf.constant(["000001"]))[0, ..., 0], MASK > 0)
    assert segmenter.fingerprint != open_segmenter(f"masks:{tmp_path}#person=4").fingerprint
    with pytest.raises(InputError, match=r"expected masks:FOLDER or masks:FOLDER#person=NUMBER"):
        open_segmenter(f"masks:{tmp_path}#class=15")


@pytest.mark.parametrize("factor", [2, 4])
def test_smoothed_edges_are_no_class_numbers(factor, tmp_path):
    """Drawn larger and made smaller, as tools smooth edges: few values, but along the edge only."""
    large = Image.new("L", (64 * factor, 64 * factor))
    ImageDraw.Draw(large).ellipse((9, 9, 50 * factor, 60 * factor), fill=255)
    large.reduce(factor).save(tmp_path / "000001.png")
    MaskFolder(tmp_path).check([Path("000001.jpg")])


def test_soft_edges_stay_soft(tmp_path):
    soft = np.linspace(0, 255, 20 * 16).reshape(20, 16).astype(np.uint8)
    Image.fromarray(soft).save(tmp_path / "000001.png")
    np.testing.assert_allclose(look_up(tmp_path), soft / 255, atol=1e-6)


def test_masks_of_another_size_are_stretched(tmp_path):
    mask = Image.fromarray(MASK)
    mask.save(tmp_path / "000001.png")
    for height, width in ((10, 8), (40, 24), (7, 33)):
        expected = np.asarray(mask.resize((width, height), Image.Resampling.BILINEAR)) / 255
        found = look_up(tmp_path, tf.zeros((1, height, width, 3), tf.uint8))
        np.testing.assert_allclose(found, expected, atol=1 / 255)


def test_a_mask_is_that_of_its_photo_in_the_view_store(dataset_folder):
    photos = sorted((dataset_folder / "images").iterdir())[:6]
    segmenter = open_segmenter(f"masks:{dataset_folder / 'masks'}")
    store = ViewStore(40, Preprocessor(segmenter, size=40).fingerprint)
    views = store.open(store.fill(photos[::-1], Preprocessor(segmenter, size=40)), photos[::-1])
    for row, photo in enumerate(photos[::-1]):
        with Image.open(dataset_folder / "masks" / f"{photo.stem}.png") as mask:
            expected = np.asarray(mask.resize((40, 40), Image.Resampling.BILINEAR), int)
        assert np.abs(views.masks([row])[0, ..., 0] - expected).max() <= 1


def test_photos_that_change_their_names_change_their_masks(tmp_path):
    """As after the repair of a dataset whose photos had each other's masks; two equal photos have a mask each."""
    photos = [tmp_path / f"{name}.png" for name in "abc"]
    for photo, colour in zip(photos, ("red", "blue", "blue"), strict=True):
        Image.new("RGB", (16, 20), colour).save(photo)
    for i, mask in enumerate((MASK, 255 - MASK, np.roll(MASK, 3, axis=1))):
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{'abc'[i]}.png")
    preprocessor = Preprocessor(f"masks:{tmp_path / 'masks'}", size=20, min_person_share=0)

    def masks() -> np.ndarray:
        store = ViewStore(20, preprocessor.fingerprint)
        found = store.open(store.fill(photos, preprocessor), photos)
        np.testing.assert_array_equal(found.masks(range(3)), masks_without_store(preprocessor, photos))
        return found.masks(range(3))

    before = masks()
    with pytest.raises(ValueError, match="Expected photos"):
        ViewStore(20, preprocessor.fingerprint).open(["0" * 64])
    assert len(np.unique(before, axis=0)) == 3
    photos[0].rename(tmp_path / "other")
    photos[1].rename(photos[0])
    (tmp_path / "other").rename(photos[1])
    np.testing.assert_array_equal(masks(), before)


def masks_without_store(preprocessor: Preprocessor, photos: list[Path]) -> np.ndarray:
    """The masks of photos, one by one, without a store."""
    return np.concatenate([preprocessor.pair_of(photo)["mask"] for photo in photos])


def test_the_fingerprint_changes_with_any_mask(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "000001.png")
    before = MaskFolder(tmp_path).fingerprint
    assert MaskFolder(tmp_path).fingerprint == before
    Image.fromarray(255 - MASK).save(tmp_path / "000001.png")
    changed = MaskFolder(tmp_path).fingerprint
    Image.fromarray(255 - MASK).save(tmp_path / "000002.png")
    assert len({before, changed, MaskFolder(tmp_path).fingerprint}) == 3


def test_masks_that_are_missing_are_named_before_the_work_begins(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "000002.png")
    with pytest.raises(InputError, match=r"000001\.png: missing \(and 1 more\)"):
        MaskFolder(tmp_path).check([Path(f"00000{i}.jpg") for i in (1, 2, 3)])
    MaskFolder(tmp_path).check([Path("000002.jpg")])


def test_of_two_masks_of_one_photo_none_is_chosen(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "000001.png")
    Image.fromarray(MASK).save(tmp_path / "000002.png")
    np.save(tmp_path / "000002.npy", MASK / 255)
    segmenter = MaskFolder(tmp_path)
    segmenter.check([Path("000001.jpg")])
    with pytest.raises(InputError, match=r"000002\.npy and 000002\.png are masks of one photo; remove one"):
        segmenter.check([Path("000001.jpg"), Path("000002.jpg")])


@pytest.mark.parametrize("contents", [b"", b"no mask", None], ids=["empty", "text", "half"])
def test_masks_that_cannot_be_read_are_named_before_the_work_begins(contents, tmp_path):
    Image.fromarray(MASK).save(tmp_path / "000001.png")
    file = tmp_path / "000002.png"
    file.write_bytes((tmp_path / "000001.png").read_bytes()[:60] if contents is None else contents)
    segmenter = MaskFolder(tmp_path)
    segmenter.check([Path("000001.jpg")])
    with pytest.raises(InputError, match=r"000002\.png: not a readable mask"):
        segmenter.check([Path("000001.jpg"), Path("000002.jpg")])


def test_there_are_no_masks_of_new_photos(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "000001.png")
    with pytest.raises(InputError, match=r"segment train.*--segmenter FCN"):
        MaskFolder(tmp_path)(IMAGES)


def test_what_is_no_segmenter_is_said_to_be_none(tmp_path):
    for spec in (f"masks:{tmp_path / 'none'}", f"masks:{tmp_path}", str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(InputError, match=str(tmp_path)):
            open_segmenter(spec)


@pytest.mark.parametrize("size", [(160, 200), (80, 100), (16, 20), (27, 33), (333, 417), (1, 1)])
def test_masks_of_the_same_shape_are_accepted_within_rounding(size, tmp_path):
    photo = tmp_path / "000001.jpg"
    Image.new("RGB", (160, 200)).save(photo)
    Image.new("L", size).save(tmp_path / "000001.png")
    MaskFolder(tmp_path).check([photo])


@pytest.mark.parametrize("size", [(200, 160), (160, 160), (256, 256), (160, 203), (27, 30)])
def test_masks_of_another_shape_are_refused_with_both_sizes(size, tmp_path):
    photo = tmp_path / "000001.jpg"
    Image.new("RGB", (160, 200)).save(photo)
    Image.new("L", size).save(tmp_path / "000001.png")
    message = rf"000001\.png: the mask is {size[0]} × {size[1]} pixels and 000001\.jpg is 160 × 200.*EXIF"
    with pytest.raises(InputError, match=message):
        MaskFolder(tmp_path).check([photo])
    with pytest.raises(InputError, match=message):
        Preprocessor(f"masks:{tmp_path}", size=32).load([photo])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_masks_are_those_of_upright_photos(orientation, place, tmp_path):
    photo, stored = tmp_path / "000001.jpg", SMALL.size
    photo.write_bytes(photo_of(place, exif(orientation)))
    turned = orientation > 4
    for size in (stored, stored[::-1]):
        Image.new("L", size).save(tmp_path / "000001.png")
        if (size != stored) == turned:
            MaskFolder(tmp_path).check([photo])
        else:
            with pytest.raises(InputError, match=r"17 × 23|23 × 17") as error:
                MaskFolder(tmp_path).check([photo])
            assert ("photo as stored" in str(error.value)) == turned


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("header", [b"Exif\0\0II*\0", b"Exif\0\0MM\0+", b"Exif\0\0"])
def test_damaged_exif_data_hide_no_mask_of_another_shape(header, tmp_path):
    photo = tmp_path / "000001.jpg"
    photo.write_bytes(photo_of("jpeg", header))
    Image.new("L", SMALL.size[::-1]).save(tmp_path / "000001.png")
    with pytest.raises(InputError, match=r"17 × 23 pixels and 000001\.jpg is 23 × 17"):
        MaskFolder(tmp_path).check([photo])
