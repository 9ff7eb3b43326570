"""Photos that cannot be read are left out of a cross-validation, from the check to the comparison."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main

SETTINGS = ["--system=baseline", "--size=32", "--folds=2", "--epochs=1", "--batch-size=16", "--learning-rate=1e-3"]
BROKEN = (3, 9, 20, 21, 33)
"""Rows whose photos are a directory, a FIFO, a dead link, a page and empty."""


def invoke(*arguments: object):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def damaged(dataset_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "damaged"
    shutil.copytree(dataset_folder, folder)
    photos = [folder / "images" / f"{row + 1:06d}.jpg" for row in BROKEN]
    for photo in photos:
        photo.unlink()
    photos[0].mkdir()
    os.mkfifo(photos[1])
    photos[2].symlink_to("nowhere.jpg")
    photos[3].write_text("<!DOCTYPE html>")
    photos[4].touch()
    return folder


@pytest.fixture
def table(damaged: Path) -> Path:
    """The same photos as a table: four photos a product."""
    with (damaged / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "sleeve", "product"])
        for row in range(48):
            writer.writerow([f"images/{row + 1:06d}.jpg", ("long", "short", "")[row % 3], f"p{row // 4}"])
    file = damaged / "dataset.yaml"
    file.write_text(
        "table: labels.csv\nphoto: image\ngroup: product\nattributes:\n  sleeve: [long, short]\n", encoding="utf-8"
    )
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("tasks_here")
@pytest.mark.parametrize("kind", ["damaged", "table"])
def test_the_check_and_a_cross_validation_leave_out_the_same_photos(kind, tiny, tmp_path, request):
    dataset, run = request.getfixturevalue(kind), tmp_path / "run"
    checked = json.loads(invoke("data", "check", dataset, "--json").stdout)
    names = [f"{row + 1:06d}.jpg" for row in BROKEN]
    assert all(any(name in problem for problem in checked["problems"]) for name in names)

    stopped = invoke("cv", dataset, *SETTINGS, "--backbone", tiny, "--out", tmp_path / "stopped")
    assert stopped.exit_code == 1
    assert all(name in stopped.stderr for name in names)

    trainable = {"damaged": "all", "table": "head"}[kind]
    options = ["--backbone", tiny, "--trainable", trainable, "--on-error", "skip"]
    done = invoke("cv", dataset, *SETTINGS, *options, "--out", run)
    assert done.exit_code == 0, done.output
    assert "5 of 48 photos cannot be read and are left out" in done.stderr
    left_out = json.loads((run / "left_out.json").read_text())
    assert [(photo["row"], Path(photo["path"]).name) for photo in left_out] == list(zip(BROKEN, names, strict=True))
    photos = json.loads((run / "dataset.json").read_text())["photos"]
    assert [Path(photo["path"]).name for photo in photos] == [
        f"{row + 1:06d}.jpg" for row in range(48) if row not in BROKEN
    ]

    folds = json.loads((run / "folds.json").read_text())
    assert sorted(row for rows in folds for row in rows) == list(range(43))
    for number, rows in enumerate(folds):
        with np.load(run / f"fold-{number:02d}" / "predictions.npz") as file:
            predictions = dict(file)
        np.testing.assert_array_equal(predictions["rows"], rows)
        np.testing.assert_array_equal(predictions["labels"], [photos[row]["labels"] for row in rows])
    if kind == "table":
        products = [(int(Path(photo["path"]).stem) - 1) // 4 for photo in photos]
        assert not {products[row] for row in folds[0]} & {products[row] for row in folds[1]}

    summary = json.loads((run / "summary.json").read_text())
    for place, scores in enumerate(summary["attributes"].values()):
        assert scores["known"] == sum(photo["labels"][place] >= 0 for photo in photos)
    (run / "summary.json").unlink()
    again = invoke("evaluate", run, "--json")  # from the predictions alone
    assert again.exit_code == 0, again.output
    evaluated = json.loads(again.stdout)["attributes"]
    assert evaluated.keys() == summary["attributes"].keys()
    for name, scores in summary["attributes"].items():
        assert evaluated[name]["known"] == scores["known"]
        assert evaluated[name]["accuracy"] == pytest.approx(scores["accuracy"])

    shutil.rmtree(run / "fold-01")
    resumed = invoke("cv", dataset, "--out", run, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads((run / "summary.json").read_text()) == summary
    compared = invoke("compare", run, "--json")
    assert compared.exit_code == 0, compared.output
