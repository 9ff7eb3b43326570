import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms

from keras_sister.data import dcsa
from keras_sister.data.check import check_dataset
from keras_sister.data.dcsa import load_dcsa
from keras_sister.images import decode
from keras_sister.schema import DCSA, UNKNOWN

from ..conftest import draw_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_dataset(tmp_path / "dataset", photos=8)
    return tmp_path / "dataset"


def size_of(photo: Path) -> tuple[int, int]:
    with Image.open(photo) as image:
        return image.size


def test_it_counts_what_is_there(folder):
    told = []
    (folder / "masks" / "._000001.png").write_bytes(b"what macOS leaves on sticks")
    report = check_dataset(folder, on_photo=lambda: told.append(1))
    dataset = load_dcsa(folder)
    sizes = np.array([size_of(photo) for photo in dataset.photos])
    assert len(told) == report.photos == report.masks == 8
    assert report.widths == (sizes[:, 0].min(), int(np.median(sizes[:, 0])), sizes[:, 0].max())
    assert report.heights == (sizes[:, 1].min(), int(np.median(sizes[:, 1])), sizes[:, 1].max())
    assert report.modes == {"RGB": 8}
    for attribute, column in zip(DCSA, dataset.labels.T, strict=True):
        found = report.attributes[attribute.name]
        assert list(found["counts"]) == list(attribute.classes)
        assert list(found["counts"].values()) == [int((column == i).sum()) for i in range(len(attribute.classes))]
        assert found["unknown"] == pytest.approx((column == UNKNOWN).mean())
    assert report.problems == []
    assert json.loads(json.dumps(report.to_dict()))["photos"] == 8


def test_all_problems_are_listed_at_once(folder):
    images, labels = folder / "images", folder / "labels"
    whole = (images / "000001.jpg").read_bytes()
    (images / "000001.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "000002.jpg").write_bytes(b"hello")
    (images / "000003.jpg").write_bytes(b"")
    (images / "000005.jpg").unlink()
    (images / "000005.jpg").mkdir()
    (images / "000006.jpg").unlink()
    (images / "000006.jpg").symlink_to("nowhere.jpg")
    Image.new("RGB", (8, 8)).save(images / "000007.jpg", "GIF")
    Image.new("RGB", (8, 8)).save(images / "000008.jpg", "PNG")
    (images / "000008.jpg").write_bytes((images / "000008.jpg").read_bytes()[:-12])
    (folder / "masks" / "000004.png").write_bytes(b"no mask")
    (labels / "scarf_GT.mat").unlink()
    (labels / "red_GT.mat").write_bytes(b"no labels")
    problems = "\n".join(check_dataset(folder).problems)
    for named in (
        "000001.jpg: a truncated JPEG",
        "000002.jpg: text, perhaps of a failed download",
        "000003.jpg: empty",
        "000005.jpg: not a file",
        "000006.jpg: No such file",
        "000007.jpg: a GIF image; save it as JPEG, PNG or WebP",
        "000008.jpg: a truncated PNG",
        "000004.png",
        "scarf_GT.mat",
        "red_GT",
    ):
        assert named in problems
    assert len(problems.splitlines()) == 10


def test_a_photo_of_too_many_pixels_is_a_problem(folder):
    Image.new("1", (11_000, 10_000)).save(folder / "images" / "9.png")
    assert any("9.png: more than 89,478,485 pixels" in problem for problem in check_dataset(folder).problems)


def test_what_one_should_know_is_a_warning(folder):
    images = folder / "images"
    for kind in ("images/00000{}.jpg", "masks/00000{}.png"):
        shutil.copy(folder / kind.format(1), folder / kind.format(2))
    turned = Image.Exif()
    turned[0x0112] = 6
    with Image.open(images / "000003.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(images / "000003.jpg", exif=turned)
    for name, icc in (("000004.jpg", ImageCms.createProfile("XYZ")), ("000005.jpg", ImageCms.createProfile("sRGB"))):
        with Image.open(images / name) as image:
            image.save(images / name, icc_profile=ImageCms.ImageCmsProfile(icc).tobytes())
    for name in ("000009.heic", "000010.HEIC", "notes"):
        (images / name).touch()
    (folder / "masks" / "000004.png").unlink()
    Image.new("L", (7, 7)).save(folder / "masks" / "000005.png")
    np.save(folder / "masks" / "000006.npy", np.zeros((8, 8)))
    labels = load_dcsa(folder).labels.copy()
    labels[:, DCSA.names.index("scarf")] = 0
    labels[6] = UNKNOWN
    dcsa.write_labels(folder, DCSA, labels)
    report = check_dataset(folder)
    assert report.problems == []
    assert report.rotated == 1  # its mask is as large as the upright photo
    assert report.profiles == {"XYZ identity built-in": 1}
    assert report.left_out == {".heic": 2, "no ending": 1}
    assert report.duplicates == [["000001.jpg", "000002.jpg"]]
    warnings = "\n".join(report.warnings)
    for said in (
        "000001.jpg, 000002.jpg: identical files",
        "000004.jpg (1 in all): has the ICC profile 'XYZ identity built-in', which is ignored",
        "images/: 3 files left out: .heic 2, no ending 1.",
        "000004.png: missing",
        "000005.png (1 in all): differs in size",
        "000006.npy and 000006.png are masks of one photo (1 in all); masks:FOLDER refuses them",
        "1 photo without any known label",
        "scarf: no photo is labelled yes",
    ):
        assert said in warnings


def test_masks_may_be_arrays_and_have_endings_in_upper_case(folder):
    masks = folder / "masks"
    for number in range(1, 5):
        with Image.open(masks / f"00000{number}.png") as mask:
            np.save(masks / f"00000{number}.npy", np.asarray(mask))
        (masks / f"00000{number}.png").unlink()
    (masks / "000004.npy").rename(masks / "000004.NPY")
    (masks / "000005.png").rename(masks / "000005.PNG")
    report = check_dataset(folder)
    assert report.masks == 8
    assert [finding for finding in report.findings if finding.kind == "masks"] == []
    np.save(masks / "000001.npy", np.zeros((7, 9)))
    (masks / "000002.npy").write_bytes(b"no array")
    report = check_dataset(folder)
    assert any("000001.npy (1 in all): differs in size" in warning for warning in report.warnings)
    assert [problem for problem in report.problems if "000002.npy: not a readable NumPy array" in problem]


@pytest.mark.parametrize(("name", "counted"), [("my own (sRGB)", 0), ("sRGB IEC61966", 0), ("Adobe RGB '98", 8)])
def test_profiles_of_srgb_have_many_names(name, counted, folder):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB built-in".encode("utf-16-be"), name.encode("utf-16-be"))
    for photo in (folder / "images").iterdir():
        with Image.open(photo) as image:
            image.save(photo, icc_profile=profile)
    assert check_dataset(folder).profiles == ({name: counted} if counted else {})


def test_a_dataset_without_any_label_is_a_problem(folder):
    labels = np.full_like(load_dcsa(folder).labels, UNKNOWN)
    dcsa.write_labels(folder, DCSA, labels)
    assert [p for p in check_dataset(folder).problems if "no label of any photo is known" in p]


def test_an_empty_folder_is_a_problem(tmp_path):
    for message in (f"{tmp_path / 'images'}: no such folder", f"{tmp_path / 'images'}: no JPEG, PNG or WebP"):
        report = check_dataset(tmp_path)
        assert len(report.problems) == 1
        assert report.problems[0].startswith(message)
        assert report.warnings == []
        (tmp_path / "images").mkdir(exist_ok=True)


def test_only_what_can_be_trained_on_is_without_problems(folder):
    """Pillow reads more kinds of files than TensorFlow does."""
    with Image.open(folder / "images" / "000001.jpg") as image:
        image.load()
    for kind in ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "PPM"):
        image.save(folder / "images" / "000001.jpg", kind)
        try:
            decode(tf.io.read_file(str(folder / "images" / "000001.jpg")))
            readable = True
        except (tf.errors.InvalidArgumentError, ValueError):
            readable = False
        assert (check_dataset(folder).problems == []) == readable
