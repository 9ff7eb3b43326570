"""What `data check` says about labels, groups, and photos that are copies of each other."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sister.data.check import check_dataset
from keras_sister.data.folds import stratified_folds
from keras_sister.data.near_duplicates import find_near_duplicates
from keras_sister.data.open import open_dataset
from keras_sister.errors import InputError


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """40 photos of smooth noise, each a product of its own."""
    rng = np.random.default_rng(0)
    for i in range(40):
        noise = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
        noise.resize((140, 180), Image.Resampling.BICUBIC).save(tmp_path / f"{i}.jpg", quality=92)
    return tmp_path


def write(folder: Path, rows: list[tuple[str, str, str]], group: bool = True) -> Path:
    lines = "\n".join(",".join(row) for row in [("image", "sku", "kind"), *rows])
    (folder / "t.csv").write_text(lines)
    head = "table: t.csv\nphoto: image\n" + ("group: sku\n" if group else "")
    (folder / "d.yaml").write_text(f"{head}attributes:\n  kind: [a, b, c]\n")
    return folder / "d.yaml"


def test_copies_in_other_groups_and_with_other_labels(shop):
    shutil.copy(shop / "3.jpg", shop / "copy.jpg")
    rows = [(f"{i}.jpg", f"P{i}", "ab"[i % 2]) for i in range(40)]
    warnings = check_dataset(write(shop, [*rows, ("copy.jpg", "P77", "a")])).warnings
    assert "3.jpg, copy.jpg: the same photo with kind 'a' and 'b'." in warnings
    assert "3.jpg, copy.jpg: the same photo in groups 'P3' and 'P77'; one may train and one test." in warnings
    quiet = check_dataset(write(shop, [*rows, ("copy.jpg", "P3", "")])).warnings
    assert not any("the same photo" in line for line in quiet)


def test_classes_too_rare_to_fold_count_groups(shop):
    rows = [(f"{i}.jpg", f"P{i // 4}", "b" if i % 2 else "a") for i in range(39)]
    lines = check_dataset(write(shop, [*rows, ("39.jpg", "Q", "c")])).warnings
    assert "classes with fewer groups than 16 folds: kind=a (10), kind=b (10), kind=c (1); give fewer --folds." in lines
    lines = check_dataset(write(shop, [*rows, ("39.jpg", "Q", "c")], group=False)).warnings
    assert "classes with fewer photos than 16 folds: kind=c (1); give fewer --folds." in lines


@pytest.mark.parametrize(
    ("split", "weight", "found"),
    [
        (lambda i: "test" if i < 10 else "train", lambda i: int(i < 10), "cv --split: all of its training photos"),
        (lambda i: "test" if i < 10 else "train", lambda i: int(i >= 10), None),  # those of test count nowhere
        (lambda i: ("test", "val", "train", "train")[i % 4], lambda i: int(i % 4 < 2), "have the weight 0"),
        (lambda i: "train", lambda i: 1, "The official split of the dataset has no test photos."),
    ],
)
def test_an_official_split_that_cannot_be_trained_on(shop, split, weight, found):
    rows = [f"{i}.jpg,{'ab'[i % 2]},{split(i)},{weight(i)}" for i in range(40)]
    (shop / "t.csv").write_text("\n".join(["image,kind,part,importance", *rows]))
    columns = "table: t.csv\nphoto: image\nsplit: part\nweight: importance\n"
    (shop / "d.yaml").write_text(f"{columns}attributes:\n  kind: [a, b]\n")
    report = check_dataset(shop / "d.yaml")
    assert [found in line for line in report.warnings if "split" in line] == ([True] if found else [])
    assert report.problems == []


def test_labels_on_photos_without_weight_alone_are_a_problem(shop):
    """That all weights are 0 is said when the table is read."""
    for heaviest, problem in (
        (0, "t.csv, column 'importance': all weights are 0."),
        (1, "known label have the weight 0"),
    ):
        rows = [f"{i}.jpg,{'ab'[i % 2] if i < 20 else ''},{heaviest * (i >= 20)}" for i in range(40)]
        (shop / "t.csv").write_text("\n".join(["image,kind,importance", *rows]))
        columns = "table: t.csv\nphoto: image\nweight: importance\n"
        (shop / "d.yaml").write_text(f"{columns}attributes:\n  kind: [a, b]\n")
        (found,) = check_dataset(shop / "d.yaml").problems
        assert problem in found


def test_a_group_that_makes_folds_uneven(shop):
    rows = [(f"{i}.jpg", "big" if i < 12 else f"P{i}", "ab"[i % 2]) for i in range(40)]
    assert "group 'big' has 12 of 40 photos; folds will differ in size." in check_dataset(write(shop, rows)).warnings


def test_near_duplicates_are_found_across_groups_only(shop):
    with Image.open(shop / "5.jpg") as photo:
        photo.resize((70, 90)).save(shop / "small.jpg", quality=60)
        photo.crop((1, 1, 139, 179)).save(shop / "crop.png")
    photos = [*(shop / f"{i}.jpg" for i in range(40)), shop / "small.jpg", shop / "crop.png"]
    assert find_near_duplicates(photos) == [[5, 40, 41]]
    rows = [(photo.name, f"P{i}", "ab"[i % 2]) for i, photo in enumerate(photos)]
    path = write(shop, rows)
    said = [line for line in check_dataset(path, near_duplicates=True).warnings if "look alike" in line]
    assert said == ["5.jpg, small.jpg, crop.png: look alike; in one group they are never split."]
    assert not any("look alike" in line for line in check_dataset(path).warnings)
    path = write(shop, [*rows[:40], ("small.jpg", "P5", "a"), ("crop.png", "P5", "a")])
    assert not any("look alike" in line for line in check_dataset(path, near_duplicates=True).warnings)
    assert find_near_duplicates([]) == []


def test_one_group_or_one_photo_is_a_problem(shop):
    one_group = write(shop, [(f"{i}.jpg", "P1", "ab"[i % 2]) for i in range(40)])
    (problem,) = check_dataset(one_group).problems
    assert "all photos are in the group 'P1'" in problem
    dataset = open_dataset(one_group)
    with pytest.raises(InputError, match="All photos are in the group 'P1'"):
        stratified_folds(dataset.labels, dataset.schema, folds=2, seed=0, groups=dataset.groups)
    (problem,) = check_dataset(write(shop, [("0.jpg", "P1", "a")], group=False)).problems
    assert "there is one photo only" in problem
