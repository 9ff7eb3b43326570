"""``tag --group-by``: a row for each product, from the mean of its photos' logits."""

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import expit, logit, softmax

from cli.main import main
from keras_sister.catalogue.job import Job
from keras_sister.catalogue.listed_photo import ListedPhoto
from keras_sister.catalogue.local_engine import LocalEngine
from keras_sister.catalogue.products import group_photos, merge_predictions
from keras_sister.catalogue.sources import list_photos
from keras_sister.catalogue.tag_catalogue import Summary, tag_catalogue
from keras_sister.errors import InputError
from keras_sister.serving.predictions import Prediction
from keras_sister.serving.tagger import Tagger

from ..exports import SCHEMA
from .test_tag_catalogue import PROBABILITIES, read

ROWS = [  # of one product the photos are apart, and one stands twice
    ("0.jpg", "P1", "red"),
    ("1.jpg", "P2", "blue"),
    ("2.jpg", "P1", "red"),
    ("lost.jpg", "P2", "blue"),
    ("0.jpg", "P1", "red"),
    ("http://x/y.jpg", "P3", "green"),
    ("3.png", "", "white"),
    ("4.jpg", " ", "white"),
    ("lost.jpg", "P4", "black"),
]


@pytest.fixture
def shop(photos: list[Path], tmp_path: Path) -> Path:
    for i, photo in enumerate(photos):
        shutil.copy(photo, tmp_path / f"{i}{photo.suffix}")
    write(tmp_path, ROWS)
    return tmp_path


def write(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    with (folder / "shop.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "sku", "colour"), *rows])


@pytest.fixture(scope="module")
def engine(sister_export) -> LocalEngine:
    return LocalEngine(Job(sister_export.folder))


def tag(engine: LocalEngine, folder: Path, *, keep: tuple[str, ...] = (), out: str = "tags.csv", **how: str) -> Summary:
    group_by = how.pop("group_by", "sku")
    photos = list_photos([f"{folder}/shop.csv:image"], stdin=io.BytesIO(), keep=(group_by, *keep))
    products = group_photos(photos, group_by, keep)
    return tag_catalogue(engine, products, folder / out, keep=keep, group_by=group_by, **how)


def expected_probabilities(tagger: Tagger, photos: list[Path]) -> list[float]:
    """The columns of a product, by SciPy."""
    outputs = tagger.outputs([photo.read_bytes() for photo in photos])
    found = []
    for attribute in SCHEMA:
        p = outputs[attribute.name].astype(np.float64)
        found += [expit(logit(p).mean())] if attribute.is_binary else softmax(np.log(p).mean(axis=0)).tolist()
    return found


def test_a_row_is_the_mean_of_the_logits_of_its_photos(sister_export, engine, shop):
    words = ["tag", sister_export.folder, f"{shop}/shop.csv:image", "--group-by", "sku", "--keep", "colour"]
    result = CliRunner().invoke(main, [*map(str, words), "--out", str(shop / "tags.csv")])
    assert result.exit_code == 0, result.output
    assert "2 photos without sku; each has a row of its own." in result.output
    assert "tags.csv: 6 rows by sku, 3 with an unreadable photo" in result.output
    rows = read(shop / "tags.csv")
    assert list(rows[0]) == [
        "sku",
        "photos",
        "colour",
        "tags",
        "not_sure",
        "person_share",
        "error",
        *PROBABILITIES,
        "fingerprint",
    ]
    assert [(row["sku"], int(row["photos"]), row["colour"], row["error"]) for row in rows] == [
        ("P1", 2, "red", None),
        ("P2", 1, "blue", "1 of 2 photos: No such file or directory"),
        ("P3", 0, "green", "1 of 1 photo: a URL; download the photo and name its file"),
        ("", 1, "white", None),
        (" ", 1, "white", None),
        ("P4", 0, "black", "1 of 1 photo: No such file or directory"),
    ]
    tagger = engine._tagger
    for row, names in zip(rows, (["0.jpg", "2.jpg"], ["1.jpg"], [], ["3.png"], ["4.jpg"], []), strict=True):
        found = [row[name] for name in PROBABILITIES]
        if not names:
            assert (found, row["tags"], row["fingerprint"]) == ([None] * len(found), [], None)
            continue
        expected = expected_probabilities(tagger, [shop / name for name in names])
        np.testing.assert_allclose(found, expected, atol=2e-6)
        neckline = ["v_shape", "round", "other"][int(np.argmax(expected[1:4]))]
        assert (f"neckline={neckline}" in row["tags"]) == (max(expected[1:4]) >= 0.5)
        assert f"gender={'female' if expected[4] >= 0.5 else 'male'}" in row["tags"]
    shares = [tags.person_share for tags in tagger.tag([shop / "0.jpg", shop / "2.jpg"])]
    assert rows[0]["person_share"] == pytest.approx(np.mean(shares), abs=2e-6)
    tag(engine, shop, keep=("colour",), out="tags.parquet")
    assert [{**row, "photos": str(row["photos"])} for row in read_rounded(shop / "tags.parquet")] == rows


def read_rounded(file: Path) -> list[dict]:
    return [{name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()} for row in read(file)]


def test_the_next_night_only_products_with_other_photos_are_tagged(engine, shop, photos):
    tag(engine, shop)
    first = read(shop / "tags.csv")
    shutil.copy(photos[4], shop / "lost.jpg")
    write(shop, [*ROWS[:2], ("3.png", "P1", "red"), *ROWS[2:]])
    assert (
        tag(engine, shop, replace="update").kept == 3
    )  # both without a product, and P4, whose photo now is one of them
    rows = read(shop / "tags.csv")
    assert [int(row["photos"]) for row in rows] == [3, 2, 0, 1, 1, 1]
    assert rows[3:5] == first[3:5]
    tag(engine, shop, out="fresh.csv")
    for fresh, row in zip(read(shop / "fresh.csv"), rows, strict=True):
        # In batches of other photos oneDNN rounds the last digit otherwise.
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        assert {name: fresh[name] for name in numbers} == pytest.approx(numbers, abs=1e-5)
        assert {**fresh, **numbers} == row


def test_a_product_is_one_in_every_spelling_and_keeps_its_first():
    rows = [("1.jpg", " P  1", "red "), ("2.jpg", "P 1 ", "red"), ("3.jpg", "Cafe\u0301", ""), ("4.jpg", "Café", "")]
    photos = [ListedPhoto(text, text, tuple(kept)) for text, *kept in rows]
    products = group_photos(photos, "sku", ("colour",))
    assert [(product.text, product.kept, len(product.photos)) for product in products] == [
        (" P  1", ("red ",), 2),
        ("Cafe\u0301", ("",), 2),
    ]


def test_merging_is_a_mean_and_does_not_mind_the_order():
    rng = np.random.default_rng(0)
    one, two = (
        Prediction(
            {
                "collar": np.float32(rng.random()),
                "neckline": softmax(rng.normal(size=3)).astype(np.float32),
                "gender": np.float32(rng.integers(0, 2)),  # as sure as float32 can be
            },
            sha256=str(i),
        )
        for i in range(2)
    )
    assert merge_predictions([one], SCHEMA) == one
    forth, back = merge_predictions([one, two], SCHEMA), merge_predictions([two, one], SCHEMA)
    twice = merge_predictions([one, one, two, two], SCHEMA)
    for attribute in SCHEMA:
        values = [merged.probabilities[attribute.name] for merged in (forth, back, twice)]
        np.testing.assert_allclose(values[0], values[1])
        np.testing.assert_allclose(values[0], values[2])
        assert np.isfinite(values[0]).all()
    assert forth.sha256 != back.sha256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ("image",)}, "--keep image: sku 'P1' has '0.jpg' and '2.jpg'"),
        ({"keep": ("sku",)}, "--keep sku: the column is in the table already"),
        ({"group_by": "collar"}, "--group-by collar: the table has another column 'collar'"),
        ({"group_by": "maker"}, "no column 'maker'; found image, sku, collar"),
    ],
)
def test_what_cannot_be_grouped_is_refused_in_a_line(engine, shop, options, message):
    table = shop / "shop.csv"
    table.write_text(table.read_text().replace("colour", "collar", 1))  # as an attribute is called
    with pytest.raises(InputError, match=message):
        tag(engine, shop, **options)
    assert not (shop / "tags.csv").exists()


def test_it_is_for_tables(shop):
    grouped = ["tag", str(shop), str(shop), "--group-by", "sku"]
    result = CliRunner().invoke(main, [*grouped, "--json"])
    assert (result.exit_code, "--group-by goes with --out." in result.output) == (2, True)
    result = CliRunner().invoke(main, [*grouped, "--out", str(shop / "tags.csv")])
    assert "--keep and --group-by need columns; give TABLE:COLUMN." in result.output + str(result.exception)
