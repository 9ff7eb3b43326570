import csv

import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.reproduction.plan import TABLES

SMALL = [
    "--backbone=resnet_mini",
    "--person-backbone=resnet_mini",
    "--weights=none",
    "--size=32",
    "--folds=2",
    "--epochs=1",
]


def invoke(*arguments: str):
    return CliRunner().invoke(main, ["reproduce", *arguments])


def test_a_figure_from_photos_to_page_and_back_without_training_again(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["figure5", str(dataset_folder), "--segmenter", f"masks:{dataset_folder / 'masks'}", *SMALL]
    result = invoke(*command, "--learning-rate", "1e-3")
    assert result.exit_code == 0, result.output
    assert "fold-01: done" in result.stderr
    assert "Not as in the paper: `backbone` is resnet_mini" in result.stderr
    page = (tmp_path / "reproduced" / "figure5.md").read_text()
    assert "not the paper's settings" in page
    with (tmp_path / "reproduced" / "figure5.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 26
    (run,) = (tmp_path / "reproduced" / "runs").iterdir()
    before = {file: file.stat().st_mtime_ns for file in run.glob("fold-*/*")}

    again = invoke(*command, "--learning-rate", "1e-3")
    assert again.exit_code == 0, again.output
    assert "fold-" not in again.stderr
    assert {file: file.stat().st_mtime_ns for file in run.glob("fold-*/*")} == before
    assert (tmp_path / "reproduced" / "figure5.md").read_text() == page


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "table2 needs fcn8s-voc, which is FCN-8s trained on VOC 2012: give --segmenter"),
        (["--segmenter", "a", "--segmenter", "b"], "a and b are both to stand for all; name them, NAME=PLACE"),
        (["--config", "system.yaml"], "system.yaml: system is what table2 itself says"),
        (["--segmenter", "nothing-there", *SMALL], "nothing-there: not a segmenter"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_line(dataset_folder, tmp_path, monkeypatch, arguments, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "system.yaml").write_text("system: baseline\n")
    result = invoke("table2", str(dataset_folder), *arguments)
    assert result.exit_code == 1
    assert fault in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_every_table_is_offered():
    assert "|".join(TABLES) in CliRunner().invoke(main, ["reproduce", "--help"]).output.replace("\n", "").replace(
        " ", ""
    )
