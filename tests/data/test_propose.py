"""`data init`: what is proposed for a table can be read at once, and every guess is on show."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import keras_sister.schema
from cli.main import main
from keras_sister.data.columns import Classes, LeftOut, describe_column
from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.data.open import inspect_dataset, open_dataset
from keras_sister.data.proposal_file import to_dataset_file
from keras_sister.data.propose import propose_dataset
from keras_sister.data.tables import read_table
from keras_sister.errors import InputError
from keras_sister.schema import Attribute

RNG = np.random.default_rng(0)


def describe(cells: list[str], heading: str = "column") -> Classes | LeftOut:
    return describe_column(heading, cells, range(2, len(cells) + 2))


def draw(*values: str, n: int = 200) -> list[str]:
    return RNG.choice(values, n).tolist()


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (draw("yes", "no"), ["no", "yes"]),
        (draw("Y", "N", "n/a"), ["no", "yes"]),
        (draw("0", "1", ""), ["no", "yes"]),
        (draw("TRUE", "FALSE"), ["no", "yes"]),
        (draw("ja", "Nein", "1", "0"), ["no", "yes"]),
        (["scarf"] * 30 + ["no scarf"] * 9, ["no scarf", "scarf"]),
        (["a"] * 3 + ["b"] * 9 + ["c"] * 6, ["b", "c", "a"]),
        (["36"] * 9 + ["38"] * 5 + ["40"] * 2, ["36", "38", "40"]),
        (["T-Shirt"] * 9 + ["t shirt"] * 2 + ["tshirt"] + ["dress"] * 3, ["T-Shirt", "dress"]),
        (["1,5"] * 5 + ["2,5", "1,0", "2,0", "3,5", "3,0"] * 2, ["1,5", "1,0", "2,0", "2,5", "3,0", "3,5"]),
        (["XL"] * 90 + ["XXL", "L"], ["XL", "L", "XXL"]),
    ],
)
def test_classes(cells, classes):
    found = describe(cells)
    assert isinstance(found, Classes)
    assert list(found.counts) == classes
    assert sum(found.counts.values()) + found.unknown == len(cells)
    assert found.typos == ()
    assert found.separator is None


@pytest.mark.parametrize("separator", [";", "|", ",", "/", " + "])
def test_several_values_in_a_cell(separator):
    cells = ["red", "blue", separator.join(["red", "blue"]), separator.join(["blue", "green"]), "", "green"] * 5
    found = describe(cells)
    assert (found.separator, found.counts) == (separator.strip(), {"blue": 15, "green": 10, "red": 10})
    assert found.unknown == 5


def test_an_unknown_item_of_a_list_is_no_value():
    found = describe(["red;blue", "red;n/a", "n/a", "blue"] * 5)
    assert (found.counts, found.unknown) == ({"blue": 10, "red": 10}, 5)


def test_values_of_one_name_are_one_value():
    found = describe(["\u00e9cru;red", "ecru;red", "red", "\u00e9cru"] * 5)
    assert found.counts == {"red": 15, "\u00e9cru": 15}
    assert found.spellings == {"ecru": "\u00e9cru"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_value_and_a_column_of_one_name_get_two(tmp_path, order):
    columns = [("colours", ["red;blue", "red", "blue"] * 4), ("colours red", ["yes", "no", "yes"] * 4)]
    names, cells = zip(*(columns[i] for i in order), strict=True)
    rows = [[f"{i}.jpg", *row] for i, row in enumerate(zip(*cells, strict=True))]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", *names], *rows])
    proposal = propose_dataset(read_table(tmp_path / "t.csv"))
    (tmp_path / "d.yaml").write_text(to_dataset_file(proposal, tmp_path / "d.yaml"))
    found = read_dataset_file(tmp_path / "d.yaml").schema.names
    assert len(set(found)) == 3


def test_a_class_with_a_slash_is_one_value():
    assert list(describe(["shirt/blouse"] * 5 + ["dress"] * 4 + ["coat"] * 3).counts) == [
        "shirt/blouse",
        "dress",
        "coat",
    ]


def test_numbers_are_one_class_if_their_values_are_equal():
    cells = ["1", "1.0", "10", "10.0", "100", "-1", "12.5", "125", "1,000", "1", "01", "98-104", "98104"]
    found = describe_column("size", [*cells, *cells], range(2, 2 + 2 * len(cells)))
    alone = ("-1", "01", "1,000", "100", "12.5", "125", "98-104", "98104")
    assert found.counts == {"1": 6, "10": 4, **dict.fromkeys(alone, 2)}
    assert found.spellings == {"1.0": "1", "10.0": "10"}


def test_what_excel_shows_for_a_failed_formula_is_unknown():
    cells = ["long", "short", "#REF!", "#DIV/0!", "#N/A", "#NAME?", "long"]
    found = describe_column("sleeves", cells, range(2, 9))
    assert (found.counts, found.unknown) == ({"long": 2, "short": 1}, 4)


def test_typos_have_their_rows():
    cells = ["long"] * 20 + ["lnog"] + ["short"] * 20 + ["shrot", "shrot"] + ["none"] * 9 + ["2019"] * 20 + ["2018"]
    found = describe(cells)
    assert [(t.spelling, t.meant, t.rows) for t in found.typos] == [
        ("lnog", "long", (22,)),
        ("shrot", "short", (43, 44)),
    ]
    assert found.counts == {"short": 22, "long": 21, "2019": 20, "none": 9, "2018": 1}


@pytest.mark.parametrize(
    ("heading", "cells", "reason"),
    [
        ("price", [f"{x:.2f}" for x in RNG.random(50)], "numbers"),
        ("width", [str(i) for i in range(50)] * 3, "numbers"),
        ("note", [f"a very nice thing number {i}" for i in range(30)], "free text"),
        ("sku", [f"AB{i:04d}" for i in range(30)], "identifiers"),
        ("day", ["2024-01-01", "2024-01-02"] * 5, "dates"),
        ("url", ["https://x.org/1", "https://x.org/2"] * 5, "file names or links"),
        ("x", ["", "?", "n/a"], "no cell has a value"),
        ("x", ["x", "", "", "x"], r"only value is 'x'; if a blank cell means no: .*blank: 'no'"),
        ("x", ["yes"] * 4, "only value is 'yes'$"),
        ("", ["a", "b"], "no heading"),
        ("who", [f"name{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60)], "nearly every cell differs"),
    ],
)
def test_what_is_left_out_has_a_reason(heading, cells, reason):
    found = describe(cells, heading)
    assert isinstance(found, LeftOut)
    assert re.search(reason, found.reason)


def test_200_classes():
    cells = [f"Brand {i}" for i in range(200) for _ in range(3)]
    assert len(describe(cells).counts) == 200


def table_of(folder: Path, headings: list[str], rows: list[list[str]]) -> Path:
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";").writerows([headings, *rows])
    return folder / "t.csv"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """60 photos of 20 products, in a folder beside the table."""
    (tmp_path / "pics").mkdir()
    rows = []
    for i in range(60):
        Image.new("RGB", (8, 8)).save(tmp_path / "pics" / f"{i}.jpg")
        colours = ("red", "blue", "red;blue")[i % 3]
        rows.append(
            [f"{i}.jpg", f"P{i // 3:03d}", ("no", "yes", "?")[i % 3], colours, ("V-Shape", "Round")[i % 2], "x"]
        )
    rows[4][4] = "v-shpae"
    return table_of(tmp_path, ["Image", "product_id", "photo", "Colours", "Neck Line", ""], rows)


def test_the_proposed_file_opens_and_tells_its_guesses(shop):
    out = shop.with_name("dataset.yaml")
    result = CliRunner().invoke(main, ["data", "init", str(shop), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "'v-shpae' looks like a typo of 'V-Shape' (row 6)" in result.stdout
    assert "group: product_id" in result.stdout
    text = out.read_text(encoding="utf-8")
    assert "  # please check: 'v-shpae' looks like a typo of 'V-Shape' (row 6)" in text
    assert "product_id: identifiers (20 different); used as group" in text
    assert "column F: it has no heading" in text

    file = read_dataset_file(out)
    assert (file.photo, file.group, file.folder) == ("Image", "product_id", shop.parent / "pics")
    assert [(c.title, c.classes, c.separator) for c in file.columns] == [
        ("photo" if file.columns[0].name != "photo" else "", ("no", "yes"), None),
        ("Colours", ("blue", "red"), ";"),
        ("Neck Line", ("Round", "V-Shape"), None),
    ]
    assert yaml.safe_load(text)["attributes"]["neck_line"]["classes"] == ["Round", "V-Shape"]
    dataset = open_dataset(out)
    assert len(dataset) == 60
    assert len(set(dataset.groups)) == 20
    assert dataset.labels[:6, -1].tolist() == [1, 0, 1, 0, 1, 0]
    checked = CliRunner().invoke(main, ["data", "check", str(out)])
    assert checked.exit_code == 0, checked.output
    again = CliRunner().invoke(main, ["data", "init", str(shop), "--out", str(out)])
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)


def test_a_file_elsewhere_finds_its_table(shop, tmp_path):
    (tmp_path / "sets").mkdir()
    out = tmp_path / "sets" / "d.yml"
    assert CliRunner().invoke(main, ["data", "init", str(shop), "--out", str(out)]).exit_code == 0
    assert "table: ../t.csv" in out.read_text()
    assert len(open_dataset(out)) == 60


@pytest.mark.skipif(not hasattr(keras_sister.schema, "RESERVED_NAMES"), reason="no reserved names yet")
def test_names_of_our_own_get_a_proposal(shop):
    proposal = propose_dataset(read_table(shop))
    assert proposal.columns["photo"][0] == "photo_label"


@pytest.mark.parametrize(
    ("headings", "rows", "message"),
    [
        (["a", "b", "a"], [["1.jpg", "x", "2.jpg"]] * 3, "columns A and C are both headed 'a'"),
        (["a", "b"], [["x", "y"]] * 3, "no column has paths of photos"),
        (["a", "b"], [["1.jpg", "2"]] * 3, "no column of classes found"),
        (["a", "b", "b"], [["1.jpg", "2", "3"]] * 3, "more than one column has this heading"),
    ],
)
def test_tables_without_photos_or_classes(tmp_path, headings, rows, message):
    with pytest.raises(InputError, match=message):
        propose_dataset(read_table(table_of(tmp_path, headings, rows)))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_cells_the_proposal_opens(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t")
    headings = ["image", *data.draw(st.lists(TEXT, min_size=1, max_size=3))]
    values = data.draw(st.lists(TEXT, min_size=1, max_size=5))
    rows = [[f"{i}.jpg", *(data.draw(st.sampled_from(values)) for _ in headings[1:])] for i in range(8)]
    try:
        proposal = propose_dataset(read_table(table_of(folder, headings, rows)))
    except InputError:
        return
    (folder / "d.yaml").write_text(to_dataset_file(proposal, folder / "d.yaml"), encoding="utf-8")
    file = read_dataset_file(folder / "d.yaml")
    assert all(isinstance(attribute, Attribute) for attribute in file.schema)
    problems = inspect_dataset(folder / "d.yaml").problems
    assert all("no such photo" in problem for problem in problems), problems
