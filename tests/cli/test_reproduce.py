import csv

import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.reproduction.plan import TABLES

SHORT = ["--weights=none", "--size=32", "--folds=2", "--epochs=1"]
SMALL = ["--backbone=resnet_mini", "--person-backbone=resnet_mini", *SHORT]


def invoke(*arguments: str):
    return CliRunner().invoke(main, ["reproduce", *arguments])


@pytest.mark.slow
@pytest.mark.usefixtures("tasks_here")
def test_a_figure_is_made_and_a_second_call_trains_nothing(dataset_folder, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    networks = ["--backbone", tiny, "--person-backbone", tiny]
    command = ["figure5", str(dataset_folder), "--segmenter", f"masks:{dataset_folder / 'masks'}", *networks, *SHORT]
    result = invoke(*command, "--learning-rate", "1e-3")
    assert result.exit_code == 0, result.output
    assert "fold-01: done" in result.stderr
    assert "Deviation from the paper: `backbone` is tiny.keras" in result.stderr
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


def test_towers_that_do_not_fit_end_it_before_the_first_run(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    masks = f"masks:{dataset_folder / 'masks'}"
    result = invoke("table2", str(dataset_folder), "--segmenter", masks, *SMALL, "--backbone=efficientnet-lite0")
    assert result.exit_code == 1
    said = "efficientnet-lite0 and resnet_mini: sister_b combines its towers element by element: backbone has 1280"
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "reproduced").exists()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "table2 needs the segmenter fcn8s-voc (FCN-8s trained on VOC 2012): give --segmenter"),
        (["--segmenter", "a", "--segmenter", "b"], "a and b have no name; give NAME=SEGMENTER for each"),
        (["--config", "system.yaml"], "system.yaml: remove 'system'; table2 determines the systems"),
        (["--segmenter", "nothing-there", *SMALL], "nothing-there: not a segmenter"),
        (["--segmenter", "nothing-there", *SMALL, "--backbone=efficientnet-lite0"], "sisters: 6 runs Deviation"),
    ],
)
def test_invalid_input_gives_an_error_of_one_line(dataset_folder, tmp_path, monkeypatch, arguments, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "system.yaml").write_text("system: baseline\n")
    result = invoke("table2", str(dataset_folder), *arguments)
    assert result.exit_code == 1
    assert fault in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_help_lists_every_table():
    words = CliRunner().invoke(main, ["reproduce", "--help"]).output.replace(",", " ").split()
    assert set(TABLES) <= set(words)
