import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.config import load_experiment

from ..exports import tiny_network

TINY_RUN = ["--system", "baseline", "--backbone", "resnet_mini", "--weights", "none", "--size", "32", "--folds", "2"]

SETTINGS = """\
system: sister_a
backbone: TINY
person_backbone: TINY
weights: none
size: 32
folds: 2
epochs: 1
batch_size: 16
learning_rate: 1e-3
"""


def write_settings(file: Path) -> None:
    file.write_text(SETTINGS.replace("TINY", tiny_network(file.with_name("tiny.keras"))))


@pytest.mark.slow
@pytest.mark.usefixtures("tasks_here")
def test_from_a_settings_file_to_a_table_and_a_comparison(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "sister.yaml")
    run = ["cv", str(dataset_folder), "--config", "sister.yaml", "--segmenter", f"masks:{dataset_folder / 'masks'}"]
    result = CliRunner().invoke(main, [*run, "--seed", "7"])
    assert result.exit_code == 0, result.output
    assert "majority" in result.stdout
    assert "MACC" in result.stdout
    assert "fold-01: done" in result.stderr

    folder = tmp_path / "runs" / "sister_a"  # after the system that the file names
    experiment = load_experiment(folder / "config.yaml")
    assert (experiment.seed, experiment.epochs, experiment.learning_rate) == (7, 1, 1e-3)
    summary = json.loads((folder / "summary.json").read_text())
    shown = " ".join(result.stdout.split())
    for name, scores in summary["attributes"].items():
        row = f"{name} │ {scores['known']} │ {100 * scores['majority']:.2f} │ {100 * scores['accuracy']:.2f}"
        assert row in shown

    ranked = (folder / "issues.csv").read_text().splitlines()[1:]
    assert len(ranked) == sum(scores["known"] for scores in summary["attributes"].values())
    assert (folder / "issues.jpg").is_file()

    again = CliRunner().invoke(main, run)
    assert again.exit_code == 1
    assert "--resume" in again.stderr
    resumed = CliRunner().invoke(main, [*run, "--resume"])  # the seed is that of the run
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout == result.stdout
    changed = CliRunner().invoke(main, [*run, "--resume", "--epochs", "2"])
    assert changed.exit_code == 1
    assert "epochs: 2, not 1" in changed.stderr

    compared = CliRunner().invoke(main, ["compare", "runs/sister_a", "--json"])
    assert compared.exit_code == 0, compared.output
    (against_majority,) = json.loads(compared.stdout)
    assert against_majority["second"] == "sister_a"
    difference = summary["macc"]["mean"] - summary["majority"]["mean"]
    assert against_majority["folds"]["estimate"] == pytest.approx(difference)


def test_towers_that_do_not_fit_end_several_systems_before_the_first(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    networks = ["--backbone", "efficientnet-lite0", "--person-backbone", "resnet_mini", "--weights", "none"]
    masks = ["--segmenter", f"masks:{dataset_folder / 'masks'}", "--size", "32", "--batch-norm", "train"]
    result = CliRunner().invoke(
        main, ["cv", str(dataset_folder), "--systems", "sister_a,sister_b", *networks, *masks, "--folds", "2"]
    )
    assert result.exit_code == 1
    assert "efficientnet-lite0 and resnet_mini: sister_b combines its towers" in " ".join(result.stderr.split())
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("tasks_here")
def test_several_systems_by_one_command(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "sister.yaml")
    run = ["cv", str(dataset_folder), "--config", "sister.yaml", "--segmenter", f"masks:{dataset_folder / 'masks'}"]
    run += ["--trainable", "head", "--systems", "segmented, baseline", "--out", "both"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    assert [load_experiment(tmp_path / "both" / name / "config.yaml").system for name in ("segmented", "baseline")] == [
        "segmented",
        "baseline",
    ]
    assert "baseline − segmented" in result.stdout
    page = (tmp_path / "both" / "report.html").read_text()
    assert "segmented" in page
    assert "baseline" in page
    resumed = CliRunner().invoke(main, [*run, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout == result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--systems", "sister_a,sister_c"], "'sister_c' is not one of baseline, segmented"),
        (["--systems", " , "], "name one or more of baseline"),
        (["--system", "baseline", "--systems", "sister_a"], "--system or --systems, not both"),
    ],
)
def test_systems_that_cannot_be_meant_are_refused(options, message, dataset_folder):
    result = CliRunner().invoke(main, ["cv", str(dataset_folder), *options])
    assert result.exit_code == 2
    assert message in result.stderr


def test_sigterm_ends_a_run_as_ctrl_c_does(dataset_folder, tmp_path):
    arguments = [str(dataset_folder), *TINY_RUN, "--epochs", "500", "--out", str(tmp_path / "run")]
    child = subprocess.Popen([sys.executable, "-m", "cli", "cv", *arguments], stderr=subprocess.PIPE, text=True)
    try:
        for line in child.stderr or ():
            if "photos in the view store" in line:
                break
        child.send_signal(signal.SIGTERM)
        _, rest = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "--resume" in rest
    assert "Traceback" not in rest


@pytest.mark.slow
def test_a_worker_that_the_system_kills_is_one_line(dataset_folder, tmp_path):
    run = tmp_path / "run"
    arguments = [str(dataset_folder), *TINY_RUN, "--epochs", "500", "--batch-size", "8", "--out", str(run)]
    child = subprocess.Popen([sys.executable, "-m", "cli", "cv", *arguments], stderr=subprocess.PIPE, text=True)
    try:
        for line in child.stderr or ():
            if "fold" in line and "1/500" in line:
                break
        workers = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        for worker in workers:
            os.kill(int(worker), signal.SIGKILL)
        _, rest = child.communicate(timeout=60)
    finally:
        child.kill()
    (line,) = [line for line in rest.splitlines() if line.startswith("Error")]
    assert "killed by the system, perhaps because memory ran out" in line
    assert "--resume" in line
    assert "--batch-size 4" in line
    assert "Traceback" not in rest
    assert child.returncode == 1


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("cv {}", "--address"),
        ("cv {}", "--gpus-per-fold"),
        ("cv {}", "--cpus-per-fold"),
        ("reproduce twin {}", "--gpus-per-fold"),
        ("tag model {}", "--address"),
    ],
)
def test_options_of_a_cluster_need_its_engine(dataset_folder, command, option):
    result = CliRunner().invoke(main, [*command.format(dataset_folder).split(), option, "1"])
    assert result.exit_code == 2
    assert f"{option} goes with --engine ray." in result.stderr
