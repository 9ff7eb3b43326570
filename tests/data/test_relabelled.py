"""A dataset written again with other labels: the new labels, and nothing else, are different."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sister.data.open import open_dataset
from keras_sister.data.relabelled import check_out, write_relabelled
from keras_sister.errors import InputError

TABLE = """\
Image,product,Neckline,Scarf?,Colours,weight,subset,Note
a/1.png,p1,V-Shape,Y,red; blue,1,train,"one, two"
a/2.png,p1,,no,,2.5,val,
b/1.png,p2,round,?,none of these,0,test,007
a/1.png,p1,,yes,red;blue,1,train,again
b/3.png,,other,no,blue,1,train,"line
break"
"""

FILE = """\
table: lists/products.csv
folder: photos
photo: Image
group: product
weight: weight
split: subset
unknown: ["", "?"]
attributes:
  neckline: {classes: [v_shape, round, other], spellings: {V-Shape: v_shape}, title: Neckline}
  scarf: {classes: ["no", "yes"], spellings: {Y: "yes"}, title: "Scarf?"}
  colours: {separator: ";", values: [red, blue], title: Colours}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/3.png"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(file)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "products.csv").write_text(TABLE)
    (tmp_path / "shop.yaml").write_text(FILE)
    return tmp_path / "shop.yaml"


def relabel(path: Path, out: Path, changes: dict[tuple[int, str], int]) -> np.ndarray:
    dataset = open_dataset(path, on_unknown_value="unknown")
    labels = dataset.labels.copy()
    for (row, name), value in changes.items():
        labels[row, dataset.schema.names.index(name)] = value
    check_out(path, out)
    write_relabelled(path, out, dataset, labels, on_unknown_value="unknown")
    return labels


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {(0, "neckline"): 2, (1, "neckline"): 1, (3, "scarf"): 1},
        {(0, "colours_red"): 0},
        {(0, "colours_red"): 0, (0, "colours_blue"): 0},  # a list cannot say: none of them
        {(1, "colours_red"): 1},  # nor: red, and perhaps blue
        {(2, "scarf"): 1, (3, "colours_red"): 1, (3, "neckline"): 0},
    ],
)
def test_a_dataset_file_has_the_new_labels_and_everything_else_of_the_old(changes, shop, tmp_path):
    old = open_dataset(shop, on_unknown_value="unknown")
    labels = relabel(shop, tmp_path / "new" / "shop2.yaml", changes)
    new = open_dataset(tmp_path / "new" / "shop2.yaml")
    np.testing.assert_array_equal(new.labels, labels)
    assert new.schema == old.schema
    assert [photo.resolve() for photo in new.photos] == [photo.resolve() for photo in old.photos]
    for column in ("groups", "weights", "split"):
        np.testing.assert_array_equal(getattr(new, column), getattr(old, column))
    assert (shop.read_text(), (tmp_path / "lists" / "products.csv").read_text()) == (FILE, TABLE)


def test_cells_of_other_labels_and_other_columns_stay(shop, tmp_path):
    relabel(shop, tmp_path / "shop2.yaml", {(0, "neckline"): 1})
    old = list(csv.reader(TABLE.splitlines(keepends=True)))
    with (tmp_path / "shop2.csv").open(newline="") as file:
        new = list(csv.reader(file))
    differing = {(i, j) for i, row in enumerate(old) for j, cell in enumerate(row) if new[i][j] != cell}
    assert differing == {(1, 2), (4, 2)}  # both rows of the photo
    assert new[1][2] == new[4][2] == "round"


def test_only_what_can_be_written_is_written(shop, tmp_path):
    (tmp_path / "shop2.csv").write_text("mine")
    with pytest.raises(InputError, match=r"shop2\.csv: already exists"):
        relabel(shop, tmp_path / "shop2.yaml", {})
    assert (tmp_path / "shop2.csv").read_text() == "mine"
    with pytest.raises(InputError, match=r"--out must be a dataset file with the suffix \.yaml"):
        check_out(shop, tmp_path / "shop2")
    shawl = '\n  shawl: {classes: ["no", "yes", maybe], spellings: {Y: "yes"}, title: "Scarf?"}'
    shared = FILE.replace('title: "Scarf?"}', f'title: "Scarf?"}}{shawl}')
    shop.write_text(shared)
    with pytest.raises(InputError, match="cannot be written as a table: its labels differ"):
        relabel(shop, tmp_path / "shop3.yaml", {(1, "shawl"): 2})  # one cell is to be two things
    assert not list(tmp_path.glob("shop3*"))
