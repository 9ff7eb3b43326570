"""The next night: what is new or changed is tagged, the rest is kept."""

import itertools
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.catalogue import tag_catalogue as catalogue
from keras_sister.catalogue.job import Job
from keras_sister.catalogue.listed_photo import listed
from keras_sister.catalogue.local_engine import LocalEngine
from keras_sister.catalogue.rows import table_columns
from keras_sister.catalogue.tag_catalogue import UnreadablePhotosError, common_reasons, tag_catalogue
from keras_sister.errors import InputError
from keras_sister.schema import Attribute, Schema

from .test_tag_catalogue import read


class Watched(LocalEngine):
    """The local engine, with a note of what it was given to tag."""

    def tag(self, parts, on_photos):
        self.given: list[str] = []

        def noted():
            for part in parts:
                self.given += [Path(photo).name for photo in part.photos]
                yield part

        yield from super().tag(noted(), on_photos)


@pytest.fixture(scope="module")
def engine(sister_export) -> Watched:
    return Watched(Job(sister_export.folder, batch_size=4))


@pytest.fixture
def shop(photos, tmp_path) -> Path:
    for i in range(3):
        shutil.copy(photos[i], tmp_path / f"{i}.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    return tmp_path


NAMES = ["0.jpg", "1.jpg", "2.jpg", "broken.jpg", "lost.jpg", "", "http://x/y.jpg"]


def asked(shop: Path, names: list[str], stock: str = "1") -> list:
    return [listed(name, folder=shop, kept=(stock,)) for name in names]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_an_update_tags_what_changed_and_gives_the_table_of_a_new_job(engine, shop, photos, kind, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", 3)
    out = shop / f"tags.{kind}"
    first = tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",), replace="update")
    assert engine.given == NAMES[:5]
    assert (first.photos, first.errors, first.kept) == (7, 4, 0)
    assert first.reasons["a URL; download the photo and name its file"] == 1
    shutil.copy(photos[4], shop / "1.jpg")
    shutil.copy(photos[3], shop / "new.png")
    tonight = ["new.png", *NAMES[::-1], "0.jpg"]
    done = tag_catalogue(engine, asked(shop, tonight, "2"), out, keep=("stock",), replace="update")
    assert engine.given == ["new.png", "lost.jpg", "broken.jpg", "1.jpg"]  # what could not be read is tried again
    assert done.kept == 3
    tag_catalogue(engine, asked(shop, tonight, "2"), shop / f"again.{kind}", keep=("stock",))
    assert read(out) == read(shop / f"again.{kind}")
    rows = read(out)
    assert [row["photo"] for row in rows] == tonight
    assert {row["stock"] for row in rows} == {"2"}
    assert [bool(row["fingerprint"]) for row in rows] == [True, False, False, False, False, True, True, True, True]


def test_another_threshold_keeps_no_row_and_a_row_is_never_of_another_job(engine, shop, sister_export):
    out = shop / "tags.csv"
    tag_catalogue(engine, asked(shop, NAMES[:3]), out, keep=("stock",))
    other = Watched(replace(engine.job, threshold=0.9))
    assert tag_catalogue(other, asked(shop, NAMES[:3]), out, keep=("stock",), replace="update").kept == 0
    assert tag_catalogue(other, asked(shop, NAMES[:3]), out, keep=("stock",), replace="update").kept == 3


def test_an_update_that_was_interrupted_leaves_the_old_table_and_resumes(engine, shop, photos, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", 1)
    out = shop / "tags.csv"
    tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",))
    old = out.read_bytes()
    shutil.copy(photos[4], shop / "1.jpg")

    def stop(number: int) -> None:
        if number and (shop / "tags.csv.parts" / "000003.csv").exists():
            raise KeyboardInterrupt

    for mode in ("update", "overwrite"):
        with pytest.raises(KeyboardInterrupt):
            tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",), replace=mode, on_photos=stop)
        assert out.read_bytes() == old
        with pytest.raises(InputError, match="unfinished job; add --resume"):
            tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",), replace="update")
    done = tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",), resume=True)
    assert done.resumed >= 3
    tag_catalogue(engine, asked(shop, NAMES), shop / "new.csv", keep=("stock",))
    assert out.read_bytes() == (shop / "new.csv").read_bytes()
    assert not (shop / "tags.csv.parts").exists()
    with pytest.raises(InputError, match="--update to tag what is new or changed, or --overwrite"):
        tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",))


def test_a_table_of_something_else_is_not_updated(engine, shop):
    (shop / "tags.jsonl").write_text("[1]\n")
    with pytest.raises(InputError, match=r"tags.jsonl: not a readable table; add --overwrite"):
        tag_catalogue(engine, asked(shop, NAMES), shop / "tags.jsonl", keep=("stock",), replace="update")
    assert (shop / "tags.jsonl").read_text() == "[1]\n"


TABLE = [{"sku": "1", "photo": "0.jpg", "price": "9"}, {"sku": "2", "photo": "1.jpg", "price": "7"}]


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet", "excel.csv"])
@pytest.mark.parametrize("how", [{}, {"replace": "update"}, {"resume": True}])
def test_a_table_of_other_columns_is_refused_and_update_is_not_proposed(engine, shop, name, how):
    out = shop / name
    frame = pd.DataFrame(TABLE)
    if name == "p.parquet":
        frame.to_parquet(out)
    elif name == "p.jsonl":
        frame.to_json(out, orient="records", lines=True)
    else:
        frame.to_csv(out, index=False, sep=";" if name == "excel.csv" else ",")
    before = out.read_bytes()
    with pytest.raises(InputError, match=f"{name}: exists, and is not a table of tags; .*--overwrite") as caught:
        tag_catalogue(engine, asked(shop, NAMES[:1]), out, keep=("stock",), **how)
    assert "--update" not in str(caught.value)
    assert out.read_bytes() == before
    assert not (shop / f"{name}.parts").exists()


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_column_that_the_user_added_is_never_dropped(engine, shop, kind, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", 1)
    out, rows = shop / f"tags.{kind}", asked(shop, NAMES[4:])  # of which none is tagged
    tag_catalogue(engine, rows, out, keep=("stock",))
    if kind == "jsonl":  # in one row only
        first, *others = out.read_text().splitlines()
        out.write_text("\n".join([first, json.dumps({**json.loads(others[0]), "note": "sold"}), *others[1:]]) + "\n")
    else:
        frame = (pd.read_parquet if kind == "parquet" else pd.read_csv)(out).assign(note="sold")
        frame.to_parquet(out) if kind == "parquet" else frame.to_csv(out, index=False)
    noted = out.read_bytes()
    with pytest.raises(InputError, match=r"--update would drop columns .*: 'note'\. .*--keep.*--overwrite"):
        tag_catalogue(engine, rows, out, keep=("stock",), replace="update")
    with pytest.raises(InputError, match="'stock', 'note'"):  # nor is one that was kept from the source
        tag_catalogue(engine, rows, out, replace="update")
    assert out.read_bytes() == noted
    assert not (shop / f"tags.{kind}.parts").exists()


def test_a_column_that_was_added_while_an_update_was_interrupted_is_not_dropped(engine, shop, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", 1)
    out, rows = shop / "tags.csv", asked(shop, NAMES[4:])
    tag_catalogue(engine, rows, out, keep=("stock",))
    with pytest.raises(UnreadablePhotosError):
        tag_catalogue(engine, rows, out, keep=("stock",), replace="update", max_errors=1)
    pd.read_csv(out).assign(note="sold").to_csv(out, index=False)
    noted = out.read_bytes()
    with pytest.raises(InputError, match=r"--update would drop columns .*: 'note'"):
        tag_catalogue(engine, rows, out, keep=("stock",), replace="update", resume=True)
    assert out.read_bytes() == noted


def test_what_is_read_is_never_written_to(sister_export, shop):
    """Not with --overwrite either, nor by another name of the file."""
    table = shop / "p.csv"
    table.write_text("sku,photo,price\n1,0.jpg,9\n")
    (shop / "link.csv").symlink_to(table)
    photo = (shop / "0.jpg").read_bytes()
    source, tag = f"{table}:photo", ["tag", str(sister_export.folder)]
    for options, fault in (
        ([source, "--out", str(table), "--overwrite"], "choose another --out"),
        ([source, "--out", str(table), "--update"], "choose another --out"),
        ([source, "--out", str(shop / "link.csv"), "--overwrite"], "choose another --out"),
        ([source, "--out", str(shop / "t.csv"), "--summary", str(table)], "choose another --summary"),
        ([source, "--out", str(shop / "t.csv"), "--summary", str(shop / "x" / ".." / "t.csv")], "cannot be written"),
        ([source, "--out", str(shop / "t.csv"), "--summary", str(shop / "." / "t.csv")], "both as --out and as"),
        ([str(shop), "--out", str(shop / "t.csv"), "--summary", str(shop / "0.jpg")], "named like a photo"),
    ):
        result = CliRunner().invoke(main, [*tag, *options])
        assert (result.exit_code, fault in result.stderr) == (1, True), result.output
    assert table.read_text() == "sku,photo,price\n1,0.jpg,9\n"
    assert (shop / "0.jpg").read_bytes() == photo
    assert not (shop / "t.csv").exists()


@pytest.mark.parametrize(("option", "name"), [("--out", "list.jsonl"), ("--summary", "link.json")])
def test_what_standard_input_comes_from_is_never_written_to(sister_export, shop, option, name):
    """As in ``tag MODEL - < list.jsonl --out list.jsonl --overwrite``."""
    paths = shop / "list.jsonl"
    paths.write_text("0.jpg\n")
    (shop / "link.json").symlink_to(paths)
    names = {"--out": str(shop / "tags.jsonl"), option: str(shop / name)}
    command = ["tag", str(sister_export.folder), "-", "--overwrite", *itertools.chain.from_iterable(names.items())]
    with paths.open("rb") as redirected:
        result = CliRunner().invoke(main, command, input=redirected)
    assert (result.exit_code, paths.read_text()) == (1, "0.jpg\n"), result.output
    assert f"{name}: standard input is read from it; choose another {option}." in result.stderr


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_no_row_is_kept_of_another_schema_or_where_a_column_is_missing(engine, sister_export, shop, kind):
    """The graph is the same: only ``schema.json`` was edited."""
    out = shop / f"tags.{kind}"
    rows = asked(shop, NAMES[:3])
    tag_catalogue(engine, rows, out, keep=("stock",))
    shorter = {"parquet": pd.read_parquet, "csv": pd.read_csv, "jsonl": partial(pd.read_json, lines=True)}[kind](out)
    for lost, kept in (("stock", 3), ("photo", 3), ("collar", 0), ("person_share", None)):  # two are the input's
        frame = shorter.drop(columns=lost)
        if kind == "jsonl":
            out.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")) + "\n")
        else:
            write = frame.to_parquet if kind == "parquet" else frame.to_csv
            write(out, index=False)
        if kept is None:
            with pytest.raises(InputError, match="not a table of tags"):
                tag_catalogue(engine, rows, out, keep=("stock",), replace="update")
            continue
        assert tag_catalogue(engine, rows, out, keep=("stock",), replace="update").kept == kept
        assert all(row["collar"] is not None for row in read(out))
    tag_catalogue(engine, rows, out, keep=("stock",), replace="overwrite")
    edited = shutil.copytree(sister_export.folder, shop / "export")
    file = edited / "assets.extra" / "schema.json"
    schema = json.loads(file.read_text())
    schema["attributes"][1]["classes"].reverse()
    file.write_text(json.dumps(schema))
    with pytest.raises(InputError, match="the hash of another schema"):  # as in a new job
        tag_catalogue(Watched(replace(engine.job, export=edited)), rows, out, keep=("stock",), replace="update")


@pytest.mark.parametrize("part", [2, 100])
def test_a_resumed_job_counts_the_errors_of_what_was_finished(engine, shop, monkeypatch, part):
    monkeypatch.setattr(catalogue, "PART_SIZE", part)
    out, rows = shop / "tags.csv", asked(shop, [NAMES[0], *NAMES[3:]])
    with pytest.raises(UnreadablePhotosError, match="4 photos could not be read") as caught:
        tag_catalogue(engine, rows, out, keep=("stock",), max_errors=3)
    assert ("Finished parts are kept; add --resume" in str(caught.value)) == (part == 2)
    if part == 2:
        with pytest.raises(UnreadablePhotosError, match=r"1 photo .*--max-errors 0.*--resume to continue"):
            tag_catalogue(engine, rows, out, keep=("stock",), resume=True, max_errors=0)
    tag_catalogue(engine, rows, out, keep=("stock",), resume=True, max_errors=4)
    before = out.read_bytes()
    with pytest.raises(UnreadablePhotosError, match="--max-errors 0") as caught:
        tag_catalogue(engine, rows, out, keep=("stock",), resume=True, max_errors=0)
    assert "Finished parts" not in str(caught.value)
    assert tag_catalogue(engine, rows, out, keep=("stock",), resume=True, max_errors=4).resumed == 5
    assert out.read_bytes() == before


def test_a_message_has_the_most_common_errors_only():
    reasons = {str(i): 1 for i in range(30)} | {"empty": 7}
    assert common_reasons(reasons)[:2] == ["7 × empty", "1 × 0"]
    assert common_reasons(reasons)[-1] == "21 other reasons"
    assert common_reasons({"empty": 1}) == ["1 × empty"]


def test_too_many_errors_end_the_job_and_what_was_finished_is_kept(engine, shop, photos, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", 3)
    out = shop / "tags.csv"
    with pytest.raises(UnreadablePhotosError, match=r"4 photos could not be read, more than --max-errors 2") as caught:
        tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",), max_errors=2)
    assert caught.value.summary.reasons["no photo is named"] == 1
    shutil.copy(photos[0], shop / "lost.jpg")  # what is mended meanwhile is tagged
    done = tag_catalogue(engine, asked(shop, NAMES), out, keep=("stock",), resume=True, max_errors=3)
    assert (done.photos, done.errors, done.resumed) == (7, 3, 4)


def test_columns_of_one_name_are_refused():
    schema = Schema((Attribute("collar"), Attribute("gender", ("male", "female"))))
    assert list(table_columns(schema, ("sku",)))[:2] == ["photo", "sku"]
    for name in ("collar", "gender=female", "tags", "fingerprint"):
        with pytest.raises(InputError, match=f"--keep {name}: the table has another column '{name}'"):
            table_columns(schema, (name,))
    for columns, group_by in ((("sku", "sku"), None), (("sku",), "sku")):
        with pytest.raises(InputError, match="--keep sku: the column is in the table already; give it once"):
            table_columns(schema, columns, group_by=group_by)
    for name in {name.partition("=")[0] for name in table_columns(schema)} - {"collar", "gender"}:
        with pytest.raises(InputError, match=f"'{name}' is the name of an output or a column"):
            Attribute(name)


def test_the_command_joins_a_csv_file_and_summarises(sister_export, shop):
    (shop / "p.csv").write_text("sku;photo\nA1;./0.jpg\nA2;\nA3;lost.jpg\n", encoding="utf-16")
    out, summary = shop / "tags.csv", shop / "summary.json"
    command = ["tag", str(sister_export.folder), f"{shop / 'p.csv'}:photo", "--out", str(out)]
    result = CliRunner().invoke(main, [*command, "--keep", "sku", "--summary", str(summary)])
    assert result.exit_code == 0, result.output
    assert "read as UTF-16, semicolons" in result.stderr
    assert "3 photos, 2 could not be read\n  1 × no photo is named\n  1 × No such file" in result.stdout
    assert "photos/s" in result.stdout
    rows = read(out)
    assert [(row["sku"], row["photo"]) for row in rows] == [("A1", "./0.jpg"), ("A2", ""), ("A3", "lost.jpg")]
    gender = [tag for tag in rows[0]["tags"] if tag.startswith("gender")]
    assert gender in (["gender=female"], ["gender=male"])
    assert len(out.read_text().splitlines()[1].split(",")[-2].partition(".")[2]) == 6
    content = json.loads(summary.read_text())
    assert (content["photos"], content["errors"], sum(content["reasons"].values())) == (3, 2, 2)
    assert content["photos_per_second"] == pytest.approx(3 / content["seconds"])
    again = CliRunner().invoke(main, [*command, "--keep", "sku", "--update"])
    assert "1 row kept" in again.stdout
    refused = CliRunner().invoke(main, [*command, "--overwrite", "--max-errors", "1", "--summary", str(summary)])
    assert (refused.exit_code, json.loads(summary.read_text())["errors"]) == (3, 2)
    assert "more than --max-errors 1" in refused.stderr
    for most, code in (("0", 3), ("1", 3), ("2", 1)):
        assert CliRunner().invoke(main, [*command[:3], "--max-errors", most]).exit_code == code
    for options, fault in ((["--update", "--overwrite"], "exclude"), (["--summary", str(shop)], "cannot be written")):
        assert fault in CliRunner().invoke(main, [*command, *options]).stderr
    assert "--update goes with --out" in CliRunner().invoke(main, [*command[:3], "--update"]).stderr


def test_a_table_with_a_stray_quote_is_one_line(engine, shop):
    out = shop / "tags.csv"
    tag_catalogue(engine, asked(shop, ["0.jpg"]), out, keep=("stock",))
    heading, row = out.read_bytes().split(b"\r\n")[:2]
    out.write_bytes(heading + b"\r\n" + b'"' + 3_000 * (row + b"\r\n"))
    with pytest.raises(InputError, match="not a readable table; add --overwrite"):
        tag_catalogue(engine, asked(shop, ["0.jpg"]), out, keep=("stock",), replace="update")
