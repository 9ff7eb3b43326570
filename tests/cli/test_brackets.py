"""Names with [brackets] are text, not markup of the terminal's output; numbers out of range are click's errors."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.schema import Attribute, Schema

from ..run_folder import write_run

SCHEMA = Schema((Attribute("scarf", ("[no]", "[/yes]")),))
LABELS = np.arange(12) % 2


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    return [str(write_run(tmp_path / name, LABELS, schema=SCHEMA).folder) for name in ("[bold]", "c[red]")]


def test_runs_and_classes_with_brackets_are_shown(runs):
    compared = CliRunner().invoke(main, ["compare", *runs], env={"COLUMNS": "120"})
    assert compared.exit_code == 0, compared.output
    assert "[bold]" in compared.output
    assert "c[red]" in compared.output
    confusion = CliRunner().invoke(main, ["evaluate", runs[0], "--confusion", "scarf"])
    assert confusion.exit_code == 0, confusion.output
    assert "[/yes]" in confusion.output


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_a_damaged_run_is_one_line(runs, command):
    file = Path(runs[0]) / "fold-01" / "predictions.npz"
    file.write_bytes(file.read_bytes()[:-100])
    shown = CliRunner().invoke(main, [command, runs[0]])
    assert shown.exit_code == 1
    assert shown.output.removeprefix("Loading scikit-learn …\n").count("\n") == 1
    assert str(file) in shown.output


def test_runs_with_labels_in_one_fold_are_compared_over_photos_alone(tmp_path):
    labels = np.where(np.arange(12) % 3 == 0, np.arange(12) % 2, -1)
    runs = [str(write_run(tmp_path / name, labels, schema=SCHEMA).folder) for name in "ab"]
    shown = CliRunner().invoke(main, ["compare", *runs])
    assert shown.exit_code == 0, shown.output
    assert "Only one fold has known labels: the spread over folds cannot be compared." in shown.output
    assert "50.00 ± –" in shown.output


@pytest.mark.parametrize(
    "options",
    [["--folds", "1"], ["--size", "9999"], ["--learning-rate", "2"], ["--seed", "-1"], ["--batch-size", "0"]],
)
def test_numbers_out_of_range_are_usage_errors(options):
    shown = CliRunner().invoke(main, ["cv", "photos", *options])
    assert shown.exit_code == 2
    assert f"Invalid value for '{options[0]}'" in shown.output
