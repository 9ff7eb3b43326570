"""Tables of every format: the same cells as the spreadsheet shows, or one line that names the row."""

import csv
import io
import json
import sys
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import Table as ArrowTable
from pyarrow import parquet

from keras_sister.data.tables import column_letters, read_table
from keras_sister.errors import InputError

HEADINGS = ("image", "sku", "Ausschnitt", "notes")
ROWS = [
    ("a.jpg", "007", "rund", 'she said "hi"'),
    ("b.jpg", "NA", "tief", "two\nlines; and, both"),
    ("c.jpg", "1.0", "größe", ""),
]


def delimited(delimiter: str = ",", rows: list = ROWS) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows([HEADINGS, *rows])
    return file.getvalue()


def written(path: Path, contents: str | bytes) -> Path:
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", ":"])
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 without a byte order mark"),
        ("utf-16-be", "UTF-16 without a byte order mark"),
        ("utf-32", "UTF-32"),
        ("latin-1", "Latin-1"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_any_encoding_and_delimiter_give_the_same_cells_and_are_said(tmp_path, encoding, said, delimiter):
    table = read_table(written(tmp_path / "t.csv", delimited(delimiter).encode(encoding)))
    assert (table.headings, list(table.rows), table.numbers) == (HEADINGS, ROWS, (2, 3, 4))
    assert said in table.note
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
    assert names.get(delimiter, repr(delimiter)) in table.note


def test_excel_hint_and_lone_carriage_returns(tmp_path):
    assert read_table(written(tmp_path / "a.csv", "sep=;\r\n" + delimited(";"))).rows == tuple(ROWS)
    plain = delimited(rows=ROWS[2:])
    assert read_table(written(tmp_path / "b.csv", plain.replace("\r\n", "\r"))).rows == tuple(ROWS[2:])


def test_a_separator_within_cells_is_not_the_delimiter(tmp_path):
    text = "image,colours,size\n1.jpg,red;blue;green,S\n2.jpg,red;blue;white,M\n"
    assert read_table(written(tmp_path / "t.csv", text)).column("colours") == ["red;blue;green", "red;blue;white"]
    text = "image;price\n1.jpg;1,50\n2.jpg;2,50\n"
    assert read_table(written(tmp_path / "u.csv", text)).column("price") == ["1,50", "2,50"]


def test_a_sign_with_which_the_quotes_are_wrong_is_not_the_delimiter(tmp_path):
    cell = '"\u02d2'  # found by Hypothesis: split at U+02D2, every row has two cells, and an open quote
    table = read_table(written(tmp_path / "t.csv", 'image,"""\u02d2"\r\n' + 'a.jpg,"""\u02d2"\r\n' * 8))
    assert table.headings == ("image", cell)
    assert set(table.rows) == {("a.jpg", cell)}


def test_blank_rows_and_quoted_line_ends_do_not_shift_row_numbers(tmp_path):
    table = read_table(written(tmp_path / "t.csv", 'image,note\na.jpg,"1\n2"\n\n,\nb.jpg,x\n'))
    assert list(zip(table.numbers, table.column("image"), strict=True)) == [(2, "a.jpg"), (5, "b.jpg")]


def test_excel_keeps_text_and_shows_numbers_as_a_sheet_does(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Products"
    for row in [("image", "sku", "n", "x", "ok", None), ("a.jpg", "007", 7, 1.5, True, None), (None,) * 6]:
        sheet.append(row)
    sheet.append(("b.jpg", "NA", 2.0, None, False))
    book.create_sheet("More")
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.headings == ("image", "sku", "n", "x", "ok")
    assert table.rows == (("a.jpg", "007", "7", "1.5", "true"), ("b.jpg", "NA", "2", "", "false"))
    assert table.numbers == (2, 4)
    assert "sheet 'Products' of 2" in table.note


def test_merged_cells_are_filled_below_the_headings(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [("image", "sku", "kind", "mark"), *((f"{i}.jpg", f"P{i}", f"k{i}", i) for i in range(4))]:
        sheet.append(row)
    sheet.merge_cells("B2:C3")  # keeps P0
    sheet.merge_cells("B4:B5")
    sheet.merge_cells("C1:D1")
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").headings == ("image", "sku", "kind", "")
    sheet.unmerge_cells("C1:D1")
    sheet["D1"] = "mark"
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.column("sku") == ["P0", "P0", "P2", "P2"]
    assert table.column("kind") == ["P0", "P0", "k2", "k3"]
    assert table.column("mark") == ["0", "1", "2", "3"]
    assert "2 groups of merged cells filled" in table.note


def test_a_formula_without_a_value_is_said(tmp_path):
    book = openpyxl.Workbook()  # which stores formulas as they are, without computing them
    for row in [("image", "kind"), ("a.jpg", "=CONCATENATE(1, 2)"), ("b.jpg", "=1/0"), ("c.jpg", "long")]:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.column("kind") == ["", "", "long"]
    assert "2 formulas without a value count as blank (save the file in Excel)" in table.note


def test_json_lines_and_parquet_give_the_same_cells(tmp_path):
    records = [{"image": "a.jpg", "sku": "007", "n": 7, "c": ["red", "blue"]}, {"image": "b.jpg", "n": None, "c": []}]
    written(tmp_path / "t.jsonl", "\n".join(json.dumps(record) for record in records))
    parquet.write_table(
        ArrowTable.from_pylist(
            records,
        ),
        tmp_path / "t.parquet",
    )
    for name in ("t.jsonl", "t.parquet"):
        table = read_table(tmp_path / name)
        assert table.headings == ("image", "sku", "n", "c")
        assert table.rows == (("a.jpg", "007", "7", "red;blue"), ("b.jpg", "", "", ""))
        assert table.numbers == (2, 3)
    text = '{"image": "a.jpg", "v": 1.0}\n{"image": "b.jpg", "v": 1e3}'
    assert read_table(written(tmp_path / "u.ndjson", text)).column("v") == ["1.0", "1e3"]


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("t.csv", "", "t.csv: empty"),
        ("t.csv", "\n\n", "t.csv: empty"),
        ("t.csv", "image,a\n", "no rows below the heading"),
        ("t.csv", "Stock of spring,,\nimage,sku,kind\n", "row 1 has one heading only, 'Stock of spring'"),
        ("t.csv", "image\n1.jpg\n", "one column only"),
        ("t.csv", "image,a,b\n1.jpg,x,y\n2.jpg,x\n", r"row 3: 2 cells, but the heading has 3"),
        ("t.csv", "image,a,b\n1.jpg,x,y\n2.jpg,x,y,z\n", r"row 3: 4 cells, but the heading has 3"),
        ("t.csv", 'image,a\n1.jpg,"x\n', "line 2: not valid CSV"),
        ("t.csv", b"PK\x03\x04rest", "content is Excel"),
        ("t.csv", b"\xd0\xcf\x11\xe0rest", r"old Excel \(\.xls\); save it as CSV"),
        ("t.csv", b"\xff\xfea\x00,\x00b", "not text in UTF-16"),
        ("t.xls", b"\xd0\xcf\x11\xe0rest", "expected a table named"),
        ("t.xlsx", b"PK\x03\x04 broken", "not a readable .xlsx"),
        ("t.parquet", b"PAR1 broken", "not a readable Parquet"),
        ("t.jsonl", '{"a": 1}\n[2]', "line 2: expected an object"),
        ("t.jsonl", '{"a": 1}\n{"a": 1, "a": 2}', "line 2: .*'a' occurs twice"),
        ("t.jsonl", '{"a": 1}\n{"a"', "line 2: not a JSON object"),
        ("t.jsonl", "[" * 100_000, "line 1: not a JSON object"),
        ("t.jsonl", '{"a": ["x;y"]}', "contains ';'"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, name, contents, message):
    path = written(tmp_path / name, contents if isinstance(contents, bytes) else contents.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert str(caught.value).count("\n") == 0
    assert name in str(caught.value)


def test_missing_and_repeated_columns_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "none.csv")
    table = read_table(written(tmp_path / "t.csv", ",image,a,a\n0,1.jpg,x,y\n"))  # pandas writes such an index
    assert table.column("image") == ["1.jpg"]
    with pytest.raises(InputError, match="columns C and D are both headed 'a'"):
        table.column("a")
    with pytest.raises(InputError, match="no column 'b'; found 'image', 'a', 'a'"):
        table.column("b")
    assert [column_letters(i) for i in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


@pytest.mark.parametrize(
    ("suffix", "package", "extra"), [(".xlsx", "openpyxl", "excel"), (".parquet", "pyarrow", "parquet")]
)
def test_an_optional_format_names_its_extra(tmp_path, monkeypatch, suffix, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"pip install.*\[{extra}\]"):
        read_table(written(tmp_path / f"t{suffix}", "x"))


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=9).map(str.strip)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL).filter(any), min_size=1, max_size=9))
def test_what_python_writes_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("image", "sku,nr", "note"), *rows])
    table = read_table(path)
    assert table.headings == ("image", "sku,nr", "note")
    assert list(table.rows) == rows


def test_json_lines_hold_line_ends_and_halves_of_characters(tmp_path):
    text = '{"image": "a.jpg", "t": "one\u2028two\u0085"}\r\n{"image": "b.jpg", "t": "cool \\ud83d", "\\ud83d": "x"}\n'
    table = read_table(written(tmp_path / "t.jsonl", text))
    assert table.column("t") == ["one\u2028two", "cool \ufffd"]
    assert table.headings == ("image", "t", "\ufffd")
