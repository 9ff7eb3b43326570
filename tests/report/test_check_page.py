"""``data check --report``: a contact sheet of each kind of problem, and the findings that it shows."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

from cli.main import main
from keras_sister.data.dataset import Dataset
from keras_sister.data.finding import KINDS
from keras_sister.data.label_patterns import label_patterns
from keras_sister.schema import Attribute, Schema

from .parsed_page import Element, parse

PHOTOS = 30


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos with masks; a copy, a broken one, a rare class, a group with two classes, a photo without a person."""
    folder, rng = tmp_path_factory.mktemp("shop"), np.random.default_rng(0)
    (folder / "masks").mkdir()
    rows = ["image,sku,kind,<b>kind</b>"]
    for i in range(PHOTOS):
        noise = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
        turned = Image.Exif()
        turned[0x0112] = 6 if i == 7 else 1
        noise.resize((140, 180), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=92, exif=turned)
        size = (180, 140) if i == 7 else (140, 180)
        Image.new("L", size, 0 if i in (4, 7) else 255).save(folder / "masks" / f"{i}.png")
        rows.append(f"{i}.jpg,P{i},{'ab'[i % 2]},{'c' if i == 9 else 'd'}")
    for kind in ("{}.jpg", "masks/{}.png"):
        shutil.copy(folder / kind.format(3), folder / kind.format("copy"))
    (folder / "broken.jpg").write_bytes((folder / "1.jpg").read_bytes()[:500])
    (folder / "t.csv").write_text("\n".join([*rows, "copy.jpg,P77,a,d", "broken.jpg,P78,b,d", "lost.jpg,P79,b,d"]))
    attributes = "attributes:\n  kind: [a, b]\n  other: {classes: [c, d], title: '<b>kind</b>'}\n"
    (folder / "d.yaml").write_text(f"table: t.csv\nphoto: image\ngroup: sku\n{attributes}")
    return folder


@pytest.fixture(scope="module")
def found(shop: Path) -> dict:
    """What the command prints as JSON, and the page that it writes."""
    words = [
        "data",
        "check",
        shop / "d.yaml",
        "--segmenter",
        f"masks:{shop / 'masks'}",
        "--report",
        shop / "check.html",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(shop / "cache"))
        result = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def page(shop: Path, found: dict) -> Element:
    return parse((shop / "check.html").read_text())


def test_each_finding_names_its_photos(shop, found):
    photos = {f["kind"]: [Path(photo).name for photo in f["photos"]] for f in found["findings"]}
    assert photos["unreadable"] == ["broken.jpg"]
    assert photos["same_file"] == photos["same_photo_other_label"] == photos["same_photo_other_group"]
    assert photos["same_file"] == ["3.jpg", "copy.jpg"]
    assert photos["nobody"] == ["4.jpg", "7.jpg"]
    assert "9.jpg" in photos["rare"]
    assert {f["kind"] for f in found["findings"]} <= KINDS.keys()
    assert found["problems"] == [f["text"] for f in found["findings"] if f["is_problem"]]
    assert found["warnings"] == [f["text"] for f in found["findings"] if not f["is_problem"]]
    (nobody,) = [text for text in found["warnings"] if "nobody" in text]
    assert nobody == f"nobody is found in 2 of {PHOTOS + 1} photos: 4.jpg, 7.jpg."


def test_the_page_has_a_sheet_of_each_kind(found, page):
    sections = {s.attributes["aria-labelledby"]: s for s in page.all("section")}
    assert list(sections) == [*(kind for kind in KINDS if kind in {f["kind"] for f in found["findings"]}), "contents"]
    for finding in found["findings"]:
        assert finding["text"] in sections[finding["kind"]].text
    shown = {kind: [i.attributes["alt"] for i in s.all("img")] for kind, s in sections.items()}
    assert shown["nobody"] == ["Photo 4.jpg", "Photo 7.jpg"]
    assert shown["same_file"] == ["Photo 3.jpg", "Photo copy.jpg"]
    assert shown["unreadable"] == []
    assert {a.attributes["href"] for a in page.all("a")} - {"#main"} == {f"#{kind}" for kind in sections}


def test_the_pictures_are_the_photos_upright_and_inside_the_page(shop, page):
    urls = [e.attributes[key] for e in page.all() for key in ("src", "href") if key in e.attributes]
    assert all(url.startswith(("data:", "#")) for url in urls)
    (picture,) = [i for i in page.all("img") if i.attributes["alt"] == "Photo 7.jpg"]
    shown = Image.open(io.BytesIO(base64.b64decode(picture.attributes["src"].partition("base64,")[2])))
    with Image.open(shop / "7.jpg") as photo:
        expected = ImageOps.exif_transpose(photo)
    assert shown.size == (144, 112)  # of 180 × 140
    difference = np.asarray(shown, float) - np.asarray(expected.resize(shown.size, Image.Resampling.BICUBIC), float)
    assert np.abs(difference).mean() < 4


def dataset(names: list[str], labels: list[int], groups: list[str] | None = None) -> Dataset:
    schema = Schema((Attribute("kind", ("a", "b")),))
    kept = None if groups is None else np.array(groups)
    return Dataset(schema, tuple(map(Path, names)), np.array(labels)[:, None], kept)


NUMBERS = np.random.default_rng(1).permutation(60)
CHANCE = np.random.default_rng(2).integers(0, 2, 60)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (lambda i, y: f"{'ab'[y]}/{NUMBERS[i]}.jpg", "the folder of the photo"),
        (lambda i, y: f"{('IMG_', 'dsc')[y]}{NUMBERS[i]:03d}.jpg", "the beginning of the file name"),
        (lambda i, y: f"{NUMBERS[i]}{('.jpg', '.PNG')[y]}", "the ending of the file name"),
    ],
)
def test_labels_that_follow_the_file_name(name, what):
    labels = CHANCE.tolist()
    names = [name(i, y if i > 1 else 1 - y) for i, y in enumerate(labels)]  # with two exceptions
    findings, _ = label_patterns(dataset(names, labels))
    (finding,) = [f for f in findings if "follows the order" not in f.text]
    assert f"kind: follows {what}, which tells 97% of the labels" in finding.text
    assert len(finding.photos) == 2  # one of each
    unknown = np.where(np.arange(60) < 50, -1, labels).tolist()
    assert label_patterns(dataset(names, unknown)) == ([], [])  # too few are known


def test_labels_that_follow_the_order_of_names_but_not_within_groups():
    labels = [int(i >= 30) for i in range(60)]
    names = [f"{i}.jpg" for i in range(60)]
    (finding,), _ = label_patterns(dataset(names, labels))
    assert "follows the order of the file names, where 98% of neighbours have the same label (50% by chance)" in (
        finding.text
    )
    runs = np.repeat(CHANCE[:30], 2).tolist()  # neighbours are of one product
    findings, notes = label_patterns(dataset(names, runs, [f"P{i // 2}" for i in range(60)]))
    assert findings == []
    assert notes == ["kind: photos of a group have the same label, so that groups count, not photos."]


def test_a_group_with_two_labels_where_labels_follow_the_group():
    labels = np.repeat(CHANCE[:30], 2)
    groups = [f"P{i // 2}" for i in range(60)]
    labels[8] = 1 - labels[9]
    (finding,), _ = label_patterns(dataset([f"{NUMBERS[i]}.jpg" for i in range(60)], labels.tolist(), groups))
    assert finding.kind == "differs_in_group"
    assert finding.text.startswith("group 'P4': kind differs, as in no more than 3.3% of groups:")
    assert [photo.name for photo in finding.photos] == [f"{NUMBERS[8]}.jpg", f"{NUMBERS[9]}.jpg"]


def test_chance_is_no_pattern():
    rng = np.random.default_rng(5)
    for _ in range(50):
        labels, number = rng.integers(-1, 2, 60), rng.permutation(60)
        names = [f"{'ab'[n % 2]}/{'xyz'[n % 3]}{n}.{('jpg', 'png')[int(n % 5 == 0)]}" for n in number]
        groups = [f"P{n % 25}" for n in number]
        assert label_patterns(dataset(names, labels.tolist(), groups)) == ([], [])
        assert label_patterns(dataset(names, labels.tolist())) == ([], [])
