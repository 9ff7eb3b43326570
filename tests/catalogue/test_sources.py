"""Input lists as they come in life: one row for every row, with its own text."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.catalogue.listed_photo import ListedPhoto
from keras_sister.catalogue.sources import list_photos
from keras_sister.data.tables import read_table
from keras_sister.errors import InputError
from keras_sister.photo_files import try_read

ROWS = [("1", "a.jpg"), ("2", "./img//1.png"), ("3", ""), ("4", "https://shop.example/4.jpg"), ("5", "café ☕.jpg")]


def write_csv(file: Path, encoding: str, separator: str, *, first: str = "", rows: list = ROWS) -> None:
    text = io.StringIO(newline="")
    text.write(first)
    csv.writer(text, delimiter=separator).writerows([("sku", "photo"), *rows])
    file.write_bytes(text.getvalue().encode(encoding))


def write_frame(file: Path, rows: pd.DataFrame) -> None:
    if file.suffix == ".jsonl":
        rows.to_json(file, orient="records", lines=True)
    else:
        {".csv": rows.to_csv, ".xlsx": rows.to_excel, ".parquet": rows.to_parquet}[file.suffix](file, index=False)


def found(*sources: str, stdin: bytes = b"", **options: object) -> tuple[list[ListedPhoto], list[str]]:
    notes: list[str] = []
    photos = list(list_photos(sources, stdin=io.BytesIO(stdin), on_note=notes.append, **options))
    return photos, notes


@pytest.mark.parametrize(
    ("encoding", "separator", "first", "note"),
    [
        ("utf-8", ",", "", None),
        ("utf-8-sig", ",", "", None),
        ("utf-8-sig", ";", "", "UTF-8, semicolons"),
        ("utf-16", "\t", "", "UTF-16, tabs"),
        ("utf-16-le", ";", "", "UTF-16 without a byte order mark, semicolons"),
        ("utf-16-be", ",", "", "UTF-16 without a byte order mark, commas"),
        ("utf-8", ";", "sep=;\r\n", "UTF-8, semicolons"),
        ("utf-16", ";", "sep=;\r\n", "UTF-16, semicolons"),
        ("utf-8", "|", "", "UTF-8, vertical bars"),
        ("utf-8", "^", "", "UTF-8, delimiter '^'"),
        ("utf-8", "^", '"SEP=^"\n', "UTF-8, delimiter '^'"),
    ],
)
def test_csv_files_of_spreadsheets_are_read_and_said(tmp_path, encoding, separator, first, note):
    file = tmp_path / "products.csv"
    write_csv(file, encoding, separator, first=first)
    photos, notes = found(f"{file}:photo", keep=("sku",))
    assert [photo.text for photo in photos] == [photo for _, photo in ROWS]
    assert [photo.kept for photo in photos] == [(sku,) for sku, _ in ROWS]
    assert [bool(photo.error) for photo in photos] == [False, False, True, True, False]
    assert photos[1].path == str(tmp_path / "img" / "1.png")
    assert notes == ([f"{file}: read as {note}."] if note else [])


def test_a_file_of_windows_keeps_its_names_and_finds_files_of_its_bytes(tmp_path):
    file = tmp_path / "products.csv"
    file.write_bytes("sku;photo\r\n1;Größe.jpg\r\n2;café.jpg\r\n".encode("cp1252"))
    (tmp_path / "Größe.jpg").touch()
    old = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(old)).touch()
    photos, notes = found(f"{file}:photo")
    assert [photo.text for photo in photos] == ["Größe.jpg", "café.jpg"]
    assert [os.fsencode(photo.path) for photo in photos] == [os.fsencode(tmp_path / "Größe.jpg"), old]
    assert notes == [f"{file}: read as Windows-1252 (Latin-1), semicolons."]


@pytest.mark.parametrize("name", ["p.csv", "p.xlsx", "p.jsonl", "p.parquet"])
def test_a_cell_with_blanks_around_it_finds_its_file_and_keeps_its_text(tmp_path, name):
    """`data` and `cv` read the same tables."""
    for photo in ("1.jpg", "2.jpg", " 2.jpg"):
        (tmp_path / photo).touch()
    cells = [" 1.jpg ", " 2.jpg", " none.jpg ", " "]
    write_frame(tmp_path / name, pd.DataFrame({" sku ": [" A", "B\t", "C", " "], "photo": cells}))
    photos, _ = found(f"{tmp_path / name}:photo", keep=("sku",))
    assert [photo.text for photo in photos] == cells
    assert [photo.kept for photo in photos] == [(" A",), ("B\t",), ("C",), (" ",)]
    assert [Path(photo.path).name for photo in photos[:3]] == ["1.jpg", " 2.jpg", " none.jpg "]
    assert photos[3].error == "no photo is named"
    table = read_table(tmp_path / name)
    assert table.column("photo") == ["1.jpg", "2.jpg", "none.jpg"]  # a row of blanks is left out
    assert table.column("sku") == ["A", "B", "C"]


def test_a_row_of_another_width_is_an_error_in_its_place(tmp_path):
    (tmp_path / "p.csv").write_text("sku,photo\n1,a,b.jpg\n2\n3,c.jpg,\n\n4,d.jpg\n")
    photos, _ = found(f"{tmp_path / 'p.csv'}:photo", keep=("sku",))
    assert [(photo.text, photo.kept) for photo in photos] == [
        ("a", ("1",)), ("", ("2",)), ("c.jpg", ("3",)), ("d.jpg", ("4",))
    ]  # fmt: skip
    assert photos[0].error == "more cells than headings in the CSV file"  # one reason for all such rows
    assert [photo.error for photo in photos[1:]] == ["no photo is named", None, None]


@pytest.mark.parametrize(
    ("text", "source", "keep", "fault"),
    [
        ("sku,photo,photo\n1,a,b\n", "p.csv:photo", (), "more than one column 'photo'"),
        ("sku,photo\n1,a\n", "p.csv:photo", ("id",), "no column 'id'; found sku, photo"),
        ("sku;photo\n1;a\n", "p.csv:picture", (), "no column 'picture'; found sku, photo"),
        ("sku,photo\n", "p.csv:photo", (), "no rows"),
        ("", "p.csv:photo", (), "found none"),
        ("sku,photo\n1,a\n", ".", ("sku",), "--keep and --group-by need columns"),
        ("sku,photo\n1,a\n", "p.csv", (), "add the column"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_before_the_first_photo(tmp_path, text, source, keep, fault):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=fault):
        list_photos([str(tmp_path / source)], stdin=io.BytesIO(), keep=keep)


@pytest.mark.parametrize("name", ["p.xlsx", "p.jsonl", "p.parquet"])
def test_tables_of_other_formats_list_what_a_csv_file_lists(tmp_path, name):
    rows = pd.DataFrame({"sku": ["007", "8", "9"], "photo": ["a.jpg", "", "http://shop/b.jpg"], "size": ["S", "", "M"]})
    write_frame(tmp_path / "p.csv", rows)
    write_frame(tmp_path / name, rows)
    both = [
        list(list_photos([f"{tmp_path / table}:photo"], stdin=io.BytesIO(), keep=("sku", "size")))
        for table in ("p.csv", name)
    ]
    assert both[0] == both[1]
    assert [photo.kept for photo in both[1]] == [("007", "S"), ("8", ""), ("9", "M")]
    with pytest.raises(InputError, match="no column 'picture'"):
        list_photos([f"{tmp_path / name}:picture"], stdin=io.BytesIO())
    with pytest.raises(InputError, match="add the column of the photo paths"):
        list_photos([str(tmp_path / name)], stdin=io.BytesIO())


def test_what_is_no_csv_file_is_said_to_be(tmp_path):
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04" + bytes(100))
    os.mkfifo(tmp_path / "pipe.csv")  # whoever reads it waits for ever
    (tmp_path / "wide.csv").write_text(",".join(f"column {i}" for i in range(5_000)))
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 9)
    faults = {
        "book": "its content is Excel",
        "pipe": "not a file",
        "wide": "no column 'photo'; found column 0, .* …",
        "noise": r"noise\.csv: (not a readable CSV|no column)",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=fault) as caught:
            list_photos([f"{tmp_path / name}.csv:photo"], stdin=io.BytesIO())
        assert len(str(caught.value)) < 600


def test_folders_that_exist_are_no_patterns(tmp_path):
    for folder in ("shop [2024]/[ab]", "2"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("a.jpg", "b.jpg", "c [1].jpg"):
            (tmp_path / folder / name).touch()
    where = tmp_path / "shop [2024]" / "[ab]"

    def names(pattern: str) -> list[str]:
        return [photo.text for photo in found(pattern)[0]]

    assert names(f"{where}/[ab].jpg") == [f"{where}/a.jpg", f"{where}/b.jpg"]
    assert names(f"{where}/c [1].jpg") == [f"{where}/c [1].jpg"]
    assert len(names(f"{tmp_path}/shop [2024]/**/*.jpg")) == 3
    assert names(f"{tmp_path}/[0-9]/?.jpg") == [f"{tmp_path}/2/a.jpg", f"{tmp_path}/2/b.jpg"]
    assert names(f"{where}/none.jpg") == [f"{where}/none.jpg"]  # a row that says so


def test_standard_input_by_lines_and_by_null_bytes():
    photos, _ = found("-", stdin=b"./a//1.jpg\n\nhttp://x/y.jpg\ncaf\xe9.jpg\r\n")
    assert [os.fsencode(photo.text) for photo in photos] == [b"./a//1.jpg", b"", b"http://x/y.jpg", b"caf\xe9.jpg"]
    assert [bool(photo.error) for photo in photos] == [False, True, True, False]
    names = [b"a\nb.jpg", b" c.jpg ", b"x" * 70_000, b"d\r\n"]
    photos, _ = found("-", stdin=b"\0".join(names) + b"\0", null=True)
    assert [os.fsencode(photo.text) for photo in photos] == names


def test_json_is_valid_for_any_file_name(sister_export, photos, tmp_path):
    name = os.fsencode(tmp_path) + b'/caf\xe9 "\n\\.jpg'
    shutil.copy(photos[0], os.fsdecode(name))
    command = ["tag", str(sister_export.folder), "-", "--null", "--json"]
    result = CliRunner().invoke(main, command, input=name + b"\0")
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes.isascii()
    content = json.loads(result.stdout)
    assert content["photo"] == f'{tmp_path}/caf\\xe9 "\n\\.jpg'
    for tag in content["attributes"].values():
        assert tag["probability"] == round(tag["probability"], 6)


def test_a_quote_that_is_never_closed_ends_the_list_in_one_line(tmp_path):
    """Read leniently, all rows after it would be one cell, and be missing from the table."""
    rows = "".join(f'{i},{i}.jpg,"Shirt {i}"\n' for i in range(1000))
    (tmp_path / "p.csv").write_text("sku,photo,title\n" + rows.replace('"Shirt 3"', '"Shirt 3'))
    with pytest.raises(InputError, match=r"p\.csv, line \d+: not valid CSV"):
        found(f"{tmp_path / 'p.csv'}:photo", keep=("sku",))


def test_a_name_that_is_too_long_for_a_file_is_a_row_of_its_own(tmp_path):
    (tmp_path / "p.csv").write_text(f"sku , photo\n1,{300 * 'x'}.jpg\n2,b.jpg\n")
    photos, _ = found(f"{tmp_path / 'p.csv'}:photo", keep=("sku",))
    assert [photo.kept for photo in photos] == [("1",), ("2",)]
    assert try_read(Path(photos[0].path))[1] == "File name too long"
