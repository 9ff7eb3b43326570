"""A table becomes photos and labels; every cell that could mislead is one line naming its row."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sister.catalogue.sources import list_photos
from keras_sister.data.dcsa import load_dcsa
from keras_sister.data.open import inspect_dataset, open_dataset
from keras_sister.errors import InputError

YAML = """
table: t.csv
photo: image
unknown: ["", "?", n/a]
attributes:
  neckline: [v_shape, round, other]
  scarf: {classes: ["no", "yes"], spellings: {"0": "no", "1": "yes"}, title: "Scarf?"}
  colours: {separator: ";", values: [red, dark blue], spellings: {navy: dark blue}}
"""
HEADING = "image,Scarf?,neckline,colours"
ROWS = [
    "a.jpg,0,v_shape,red",
    "b.jpg,YES,?,red;Navy",
    "sub/c.jpg,N/A,Round,",
    "d.png, yes ,other,dark blue;",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "b.jpg", "sub/c.jpg", "d.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def write(folder: Path, rows: list[str] = ROWS, yaml: str = YAML, heading: str = HEADING) -> Path:
    (folder / "t.csv").write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    (folder / "d.yaml").write_text(yaml, encoding="utf-8")
    return folder / "d.yaml"


def test_cells_become_labels(folder):
    dataset = open_dataset(write(folder))
    assert dataset.schema.names == ["neckline", "scarf", "colours_red", "colours_dark_blue"]
    expected = [[0, 0, 1, 0], [-1, 1, 1, 1], [1, -1, -1, -1], [2, 1, 0, 1]]
    np.testing.assert_array_equal(dataset.labels, expected)
    assert [photo.relative_to(folder).as_posix() for photo in dataset.photos] == [
        "a.jpg",
        "b.jpg",
        "sub/c.jpg",
        "d.png",
    ]
    assert dataset.notes == ("t.csv: UTF-8, commas, 4 rows, 4 columns",)
    assert (dataset.groups, dataset.weights, dataset.split) == (None, None, None)


def test_the_result_does_not_depend_on_the_working_directory(folder, monkeypatch):
    write(folder)
    monkeypatch.chdir(folder)
    np.testing.assert_array_equal(open_dataset("d.yaml").labels, open_dataset(folder / "d.yaml").labels)


def test_blank_cells_mean_what_the_file_says(folder):
    blank = YAML.replace("title:", 'blank: "no", title:').replace('separator: ";"', 'separator: ";", blank: none')
    dataset = open_dataset(write(folder, ["a.jpg,,,", "b.jpg,?,,?"], blank))
    np.testing.assert_array_equal(dataset.labels, [[-1, 0, 0, 0], [-1, -1, -1, -1]])


def test_a_list_with_an_unknown_item_leaves_the_others_unknown(folder):
    dataset = open_dataset(write(folder, ["a.jpg,0,other,red;?"]))
    np.testing.assert_array_equal(dataset.labels, [[2, 0, 1, -1]])


def test_photos_in_another_folder(folder):
    dataset = open_dataset(write(folder, ["c.jpg,0,other,red"], YAML + "folder: sub\n"))
    assert dataset.photos == (folder / "sub" / "c.jpg",)


def test_cells_that_fit_no_class_are_named_or_unknown(folder):
    path = write(folder, ["a.jpg,no,rond,red", "b.jpg,maybe,other,red;blck", "sub/c.jpg,no,rond,"])
    problems = inspect_dataset(path).problems
    assert len(problems) == 3
    assert "row 2 (and 1 more), column 'neckline': 'rond' fits no class; did you mean 'round'?" in problems[0]
    assert "row 3, column 'Scarf?': 'maybe'" in problems[1]
    assert "expected no, yes" in problems[1]
    assert "row 3, column 'colours': 'blck'" in problems[2]
    with pytest.raises(InputError, match=r"t\.csv, row 2.*\(2 more; 'sister-keras data check' lists them"):
        open_dataset(path)
    for dataset in (
        open_dataset(path, on_unknown_value="unknown"),
        open_dataset(
            write(folder, [*path.with_name("t.csv").read_text().splitlines()[1:]], YAML + "on_unknown_value: unknown")
        ),
    ):
        np.testing.assert_array_equal(dataset.labels, [[-1, 0, 1, 0], [2, -1, 1, -1], [-1, 0, -1, -1]])
        assert "neckline 2 (such as 'rond' in row 2), Scarf? 1" in dataset.notes[1]
    with pytest.raises(InputError, match="fits no class"):
        open_dataset(path, on_unknown_value="error")


def test_photos_that_are_missing_or_no_photos(folder):
    rows = [
        "a.JPG,0,other,red",
        "b.jpg,0,other,red",
        ",0,other,red",
        "https://x.org/a.jpg,,,",
        "t.csv,,,",
        "x" * 300 + ".jpg,,,",
    ]
    inspection = inspect_dataset(write(folder, rows))
    problems = "\n".join(inspection.problems)
    if os.path.normcase("A") == "A":
        assert "row 2 (and 1 more), column 'image': no such photo: 'a.JPG' (found a.jpg)." in problems
    assert "row 4, column 'image': no photo." in problems
    assert "row 5, column 'image': a URL" in problems
    assert "row 6, column 'image': not named like a photo" in problems
    assert inspection.dataset.photos == (folder / "b.jpg",)


def test_rows_of_one_photo_are_merged_or_contradict_each_other(folder):
    dataset = open_dataset(write(folder, ["a.jpg,0,?,red", "b.jpg,1,other,red", "./sub/../a.jpg,,round,"]))
    np.testing.assert_array_equal(dataset.labels, [[1, 0, 1, 0], [2, 1, 1, 0]])
    assert "1 row of a photo that an earlier row has" in dataset.notes[-1]
    inspection = inspect_dataset(write(folder, ["a.jpg,0,v_shape,red", "b.jpg,,,", "a.jpg,1,round,red"]))
    assert [p.partition("t.csv, ")[2] for p in inspection.problems] == [
        "rows 2 and 4: the same photo 'a.jpg' with neckline 'v_shape' and 'round'.",
        "rows 2 and 4: the same photo 'a.jpg' with scarf 'no' and 'yes'.",
    ]
    assert {finding.photos for finding in inspection.findings} == {(folder / "a.jpg",)}  # which the page shows


def test_the_photos_of_a_value_that_fits_no_class_are_named(folder):
    inspection = inspect_dataset(write(folder, ["a.jpg,0,rond,red", "b.jpg,1,other,red", "d.png,1,rond,red"]))
    assert [finding.photos for finding in inspection.findings] == [(folder / "a.jpg", folder / "d.png")]


def test_groups_weights_and_splits(folder):
    yaml = YAML + "group: sku\nweight: w\nsplit: part\n"
    heading = HEADING + ",sku,w,part"
    rows = ["a.jpg,0,other,red,007,1,train", "b.jpg,0,other,red,7,0.5,VAL", "d.png,0,other,red,?,2e1,test"]
    dataset = open_dataset(write(folder, rows, yaml, heading))
    assert dataset.groups.tolist() == ["007", "7", "photo d.png"]
    assert dataset.weights.tolist() == [1, 0.5, 20]
    assert dataset.split.tolist() == ["train", "val", "test"]
    assert "1 photo without sku" in dataset.notes[-1]
    rows = ["a.jpg,0,other,red,1,-1,train", "b.jpg,0,other,red,1,,dev", "d.png,0,other,red,1,inf,test"]
    problems = inspect_dataset(write(folder, [*rows, "a.jpg,0,other,red,2,-1,train"], yaml, heading)).problems
    assert "row 2 (and 3 more), column 'w': a weight is a number of at least 0. Received: '-1'" in problems[0]
    assert "row 3, column 'part': expected train, val or test. Received: 'dev'" in problems[1]
    assert "rows 2 and 5: the same photo 'a.jpg' with group '1' and '2'" in problems[2]


def test_a_column_called_photo_and_200_classes(folder):
    classes = [f"brand {i}" for i in range(200)]
    yaml = f"table: t.csv\nphoto: photo\nattributes:\n  brand: [{', '.join(classes)}]\n"
    dataset = open_dataset(write(folder, ["a.jpg,brand 199", "b.jpg,BRAND 0", "d.png,brand 128"], yaml, "photo,brand"))
    assert dataset.labels[:, 0].tolist() == [199, 0, 128]


def test_what_is_no_dataset_is_told_the_way(folder, tmp_path, dataset_folder):
    write(folder)
    with pytest.raises(InputError, match=r"data init .*t\.csv --out dataset\.yaml"):
        open_dataset(folder / "t.csv")
    with pytest.raises(InputError, match="no column 'neckline'"):
        open_dataset(write(folder, heading="image,Scarf?,neck,colours"))
    with pytest.raises(InputError, match="columns B and C are both headed 'neckline'"):
        open_dataset(write(folder, heading="image,neckline,neckline,colours"))
    with pytest.raises(InputError, match=r"t\.csv: no rows below"):
        open_dataset(write(folder, []))
    with pytest.raises(InputError, match="images: no such folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="--on-unknown-value is for dataset files"):
        open_dataset(dataset_folder, on_unknown_value="unknown")
    np.testing.assert_array_equal(open_dataset(dataset_folder).labels, load_dcsa(dataset_folder).labels)


@pytest.mark.parametrize("cell", [";", " ; ;", ""])
def test_a_list_of_nothing_is_a_blank_cell(folder, cell):
    dataset = open_dataset(write(folder, [f"a.jpg,0,other,{cell}", "b.jpg,1,round,red"]))
    np.testing.assert_array_equal(dataset.labels[:, 2:], [[-1, -1], [1, 0]])
    yaml = YAML.replace("values: [red", "blank: none, values: [red")
    dataset = open_dataset(write(folder, [f"a.jpg,0,other,{cell}", "b.jpg,1,round,red"], yaml))
    np.testing.assert_array_equal(dataset.labels[:, 2:], [[0, 0], [1, 0]])


def test_spellings_of_a_group_that_look_equal_are_one_group(folder):
    rows = ["a.jpg,0,other,red,Caf\u00e9  1", "b.jpg,0,other,red,Cafe\u0301 1", "d.png,0,other,red,CAF\u00c9 1"]
    groups = open_dataset(write(folder, rows, YAML + "group: sku\n", HEADING + ",sku")).groups
    assert groups.tolist() == ["Caf\u00e9 1", "Caf\u00e9 1", "CAF\u00c9 1"]


def test_a_heading_is_found_however_its_characters_are_composed(folder):
    yaml = YAML.replace("neckline: [", "neckline: {title: Gr\u00f6\u00dfe, classes: [").replace("other]", "other]}")
    written = write(folder, yaml=yaml, heading=HEADING.replace("neckline", "Gro\u0308\u00dfe"))
    assert open_dataset(written).labels[:, 0].tolist() == [0, -1, 1, 2]
    photos = list_photos([f"{folder / 't.csv'}:image"], stdin=io.BytesIO(), keep=["Gr\u00f6\u00dfe"])
    assert next(photos).kept == ("v_shape",)


def test_spellings_that_contradict_each_other_are_refused(folder):
    yaml = YAML.replace('"0": "no", "1": "yes"', 'Y: "yes", y: "no"')
    with pytest.raises(InputError, match="'y' is to mean 'yes' and 'no'"):
        open_dataset(write(folder, yaml=yaml))


def test_a_dataset_file_in_a_linked_folder_finds_its_photos(folder, tmp_path_factory):
    """``..`` after a link is the folder that the link leads to, for the table and the photos alike."""
    settings = folder / "settings"
    settings.mkdir()
    write(folder)
    (settings / "d.yaml").write_text(YAML.replace("t.csv", "../t.csv\nfolder: .."))
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(settings)
    assert open_dataset(link / "d.yaml").photos == open_dataset(settings / "d.yaml").photos
