import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from tests.pixel_data import write_voc
from tests.segmentation.importers.test_matconvnet import parameters as network_parameters
from tests.segmentation.importers.test_matconvnet import write as write_network


def invoke(*arguments: object):
    return CliRunner().invoke(main, ["segment", *map(str, arguments)])


@pytest.fixture
def masks(dataset_folder) -> str:
    return f"masks:{dataset_folder / 'masks'}"


def test_cut_out_photos_are_the_person_at_the_photos_own_size(dataset_folder, masks, tmp_path):
    result = invoke("apply", dataset_folder / "images", "--segmenter", masks, "--background=black", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "48 photos" in result.stdout
    for name in ("000001", "000013"):
        photo = np.asarray(Image.open(dataset_folder / "images" / f"{name}.jpg"))
        person = np.asarray(Image.open(dataset_folder / "masks" / f"{name}.png")) >= 128
        cutout = np.asarray(Image.open(tmp_path / "cutouts" / f"{name}.png"))
        np.testing.assert_array_equal(cutout, np.where(person[..., None], photo, 0))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "masks" / f"{name}.png")) >= 128, person)
    # What was written is a segmenter in its turn.
    again = invoke("evaluate", dataset_folder, "--segmenter", f"masks:{tmp_path / 'masks'}", "--json")
    scores = json.loads(again.stdout)
    assert scores.pop("background")["person_iou"] == 0
    assert scores == {
        "photos": 48,
        "classes": 2,
        "pixel_accuracy": 1,
        "person_iou": 1,
        "mean_iou": 1,
        "boundary_f": 1,
    }


def test_a_broken_photo_is_passed_over_and_told(dataset_folder, masks, tmp_path):
    broken, whole = tmp_path / "000002.jpg", dataset_folder / "images" / "000001.jpg"
    broken.write_bytes((dataset_folder / "images" / "000002.jpg").read_bytes()[:700])
    result = invoke("apply", broken, tmp_path / "none.jpg", whole, "--segmenter", masks, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "000002.jpg: a truncated JPEG" in result.stderr
    assert "none.jpg: No such file" in result.stderr
    assert [file.name for file in (tmp_path / "out" / "cutouts").iterdir()] == ["000001.png"]


def test_the_contact_sheet_has_a_cell_for_a_broken_photo(dataset_folder, masks, tmp_path):
    broken, whole = tmp_path / "000002.jpg", dataset_folder / "images" / "000001.jpg"
    broken.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    result = invoke("preview", broken, whole, "--segmenter", masks, "--out", tmp_path / "sheet.png")
    assert result.exit_code == 1
    assert "000002.jpg: a pointer of Git LFS, not the photo; run 'git lfs pull'" in result.stderr
    assert "1 photo, no person found in 0" in result.stdout
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[0] == 2 * 208 + 8
    assert (sheet[28:208, 8:752] == (250, 225, 225)).all(axis=-1).mean() > 0.9


def test_folders_are_searched_as_tag_does(dataset_folder, masks, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name, place in (("000001", "a"), ("000002", "a/b")):
        with Image.open(dataset_folder / "images" / f"{name}.jpg") as image:
            image.save(tmp_path / place / f"{name}.WebP")
    for name in ("x.heic", "b/y.HEIC", "z.gif", ".hidden.gif", "none"):
        (tmp_path / "a" / name).touch()
    result = invoke("apply", tmp_path / "a", "--segmenter", masks, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "4 files left out: .heic 2, .gif 1, no ending 1" in result.stderr
    assert "2 photos" in result.stdout
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.heic").touch()
    result = invoke("preview", tmp_path / "c", "--segmenter", masks)
    assert "c: no JPEG, PNG or WebP found (1 file left out: .heic 1)." in " ".join(result.stderr.split())


def test_nothing_is_written_over(dataset_folder, masks, tmp_path):
    photo = dataset_folder / "images" / "000001.jpg"
    arguments = ("apply", photo, "--segmenter", masks, "--out", tmp_path / "out")
    assert invoke(*arguments).exit_code == 0
    again = invoke(*arguments)
    assert again.exit_code == 1
    assert "000001.png: already exists" in again.stderr
    twice = invoke("apply", photo, photo, "--segmenter", masks, "--out", tmp_path / "more")
    assert "000001: the name of two photos" in twice.stderr


def test_a_photo_without_person_stays_whole_and_is_told(dataset_folder, tmp_path):
    photo = dataset_folder / "images" / "000001.jpg"
    (tmp_path / "masks").mkdir()
    with Image.open(photo) as opened:
        Image.new("L", opened.size).save(tmp_path / "masks" / "000001.png")
    result = invoke("apply", photo, "--segmenter", f"masks:{tmp_path / 'masks'}", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "000001.jpg: no person found, left unchanged" in result.stderr
    cutout = np.asarray(Image.open(tmp_path / "out" / "cutouts" / "000001.png"))
    np.testing.assert_array_equal(cutout, np.asarray(Image.open(photo)))


@pytest.mark.parametrize(("option", "found"), [((), False), (("--min-person-share=0",), True)])
def test_a_sliver_of_a_person_counts_as_nobody(option, found, dataset_folder, tmp_path):
    photo = dataset_folder / "images" / "000001.jpg"
    (tmp_path / "masks").mkdir()
    with Image.open(photo) as opened:
        pixels = np.asarray(opened)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[:3, :10] = 255
    assert 0 < (mask > 0).mean() < 0.01
    Image.fromarray(mask).save(tmp_path / "masks" / "000001.png")
    masks = f"masks:{tmp_path / 'masks'}"
    result = invoke("apply", photo, "--segmenter", masks, *option, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert ("1 photo without a person" in result.stderr) != found
    cutout = np.asarray(Image.open(tmp_path / "out" / "cutouts" / "000001.png"))
    np.testing.assert_array_equal(cutout, np.where(mask[..., None], pixels, 255) if found else pixels)
    shown = invoke("preview", photo, "--segmenter", masks, *option, "--out", tmp_path / "sheet.png")
    assert f"no person found in {int(not found)}" in shown.stdout


@pytest.mark.parametrize("photos", [1, 5])
def test_the_contact_sheet_shows_every_photo_four_times(dataset_folder, masks, tmp_path, photos):
    files = sorted((dataset_folder / "images").iterdir())[:photos]
    result = invoke("preview", *files, "--segmenter", masks, "--out", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    assert f"{photos} photo{'s' * (photos > 1)}, no person found in 0" in result.stdout
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[1] == (760 if photos < 5 else 2 * 760)
    left, top, box, gap = 8, 28, 180, 8
    pictures = [sheet[top : top + box, left + i * (box + gap) :][:, :60] for i in range(4)]
    assert (pictures[2] == 255).all(axis=-1).mean() > 0.2
    assert (pictures[3] == 0).all(axis=-1).mean() > 0.2
    assert not np.array_equal(pictures[0], pictures[1])


def test_mistakes_are_a_line(dataset_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, fault in {
        ("preview", tmp_path / "empty"): "empty: no JPEG, PNG or WebP",
        ("preview", dataset_folder / "images", "--weights", tmp_path / "x.tflite"): "x.tflite: no such file",
        ("evaluate", dataset_folder, "--segmenter", "nobody"): "nobody: not a segmenter; give selfie",
        ("evaluate", dataset_folder, "--masks", Path("none"), "--segmenter", "x"): "none: no such folder",
    }.items():
        result = invoke(*arguments)
        assert result.exit_code == 1, arguments
        assert fault in " ".join(result.stderr.split())


def test_voc_is_trained_on_and_evaluated_by_class_or_by_person(tmp_path):
    write_voc(tmp_path / "VOC2012", train=12, val=4, size=40)
    out = tmp_path / "fcn"
    result = invoke("train", tmp_path / "VOC2012", "--size=32", "--epochs=1", "--width=0.0625", "--out", out)
    assert result.exit_code == 0, result.output
    assert "On 4 photos, 21 classes, %" in result.stdout
    again = json.loads(invoke("evaluate", tmp_path / "VOC2012", "--segmenter", out, "--json").stdout)
    assert again == json.loads((out / "segmenter.json").read_text())["scores"]
    mended = json.loads(invoke("evaluate", tmp_path / "VOC2012", "--segmenter", out, "--margin=1", "--json").stdout)
    assert (again["classes"], mended["classes"]) == (21, 2)


def test_the_published_weights_become_a_segmenter(tmp_path):
    file = write_network(tmp_path / "pascal-fcn8s-dag.mat", network_parameters())
    result = invoke("import", file, "--size=32", "--out", tmp_path / "fcn8s-voc")
    assert result.exit_code == 0, result.output
    photo = tmp_path / "me.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)).save(photo)
    applied = invoke("apply", photo, "--segmenter", tmp_path / "fcn8s-voc", "--out", tmp_path / "cut")
    assert applied.exit_code == 0, applied.output
    with Image.open(tmp_path / "cut" / "masks" / "me.png") as mask:
        assert mask.size == (30, 40)
    again = invoke("import", file, "--out", tmp_path / "fcn8s-voc")
    assert "fcn8s-voc: already exists" in again.stderr


def test_the_picture_of_a_contact_sheet_is_refused_or_named(dataset_folder, masks, tmp_path):
    photo = dataset_folder / "images" / "000001.jpg"
    result = invoke("preview", photo, "--segmenter", masks, "--out", tmp_path / "sheet.txt")
    assert result.exit_code == 1
    assert "sheet.txt: the picture is one of .png" in result.output
    before = photo.read_bytes()
    result = invoke("preview", photo, "--segmenter", masks, "--out", photo)
    assert (result.exit_code, photo.read_bytes()) == (1, before)
    assert "000001.jpg: is one of the photos; choose another --out" in result.output
    limited = "import resource as r, sys; r.setrlimit(r.RLIMIT_FSIZE, (2000, 2000)); from cli.main import main; main()"
    sheet = tmp_path / "sheet.png"
    arguments = ["segment", "preview", str(photo), "--segmenter", masks, "--out", str(sheet)]
    done = subprocess.run([sys.executable, "-c", limited, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{sheet}: File too large." in done.stderr
    assert list(tmp_path.iterdir()) == []
