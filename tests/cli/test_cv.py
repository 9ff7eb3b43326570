import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.config import FROZEN_LINEAR, RECIPES, Experiment, load_experiment

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


@pytest.fixture
def given(monkeypatch):
    """What `cv` cross-validates, in this order, instead of training."""
    calls: list[tuple[Experiment, dict]] = []

    def note(photos, experiment, out, track, **how):
        calls.append((experiment, how))

    monkeypatch.setattr("cli.cv._cross_validate", note)
    monkeypatch.setattr("cli.cv.show_comparison", lambda folders: None)
    monkeypatch.setattr("cli.cv.write_page", lambda folders, page: None)
    return calls


@pytest.mark.parametrize("alone", [{"flip_average": True, "average_weights": 0.9}, {"drop_view": 0.1}])
def test_settings_by_which_each_fold_is_trained_alone_are_named(dataset_folder, tmp_path, given, alone):
    (tmp_path / "alone.yaml").write_text("".join(f"{name}: {str(value).lower()}\n" for name, value in alone.items()))
    run = ["cv", str(dataset_folder), "--systems", "sister_a,twin", "--config", str(tmp_path / "alone.yaml")]
    result = CliRunner().invoke(main, [*run, "--trainable", "head"])
    assert result.exit_code == 0, result.output
    options = "--average-weights, --flip-average" if "flip_average" in alone else "--drop-view"
    assert result.stderr.count(f"--trainable head with {options}: each fold is trained on its own") == 1
    all_trained = CliRunner().invoke(main, run)
    one_pass = CliRunner().invoke(main, ["cv", str(dataset_folder), "--systems", "twin", "--trainable", "head"])
    for expected in (all_trained, one_pass):
        assert expected.exit_code == 0, expected.output
        assert "on its own" not in expected.stderr


def test_only_systems_that_take_masks_get_the_other_segmenter(dataset_folder, given):
    robust = ["cv", str(dataset_folder), "--robustness", "--systems"]
    result = CliRunner().invoke(main, [*robust, "baseline,segmented", "--other-segmenter", "selfie"])
    assert result.exit_code == 0, result.output
    assert [how["other_segmenter"] for _, how in given] == [None, "selfie"]
    given.clear()
    result = CliRunner().invoke(main, [*robust, "baseline,segmented", "--other-segmenter", "selfy"])
    assert result.exit_code == 1
    assert "selfy: not a segmenter" in result.stderr
    assert not given  # nor is the baseline trained, which does not use it
    CliRunner().invoke(main, [*robust, "baseline", "--other-segmenter", "selfie"])
    assert [how["other_segmenter"] for _, how in given] == ["selfie"]  # which `cross_validate` refuses


def interrupted_run(folder: Path, **settings) -> Experiment:
    folder.mkdir(parents=True)
    experiment = Experiment(**settings)
    (folder / "config.yaml").write_text(experiment.to_yaml())
    return experiment


def test_a_system_that_has_not_begun_resumes_with_the_settings_of_one_that_has(dataset_folder, tmp_path, given):
    begun = interrupted_run(tmp_path / "baseline", system="baseline", **RECIPES["frozen"], folds=8, seed=3)
    resume = ["cv", str(dataset_folder), "--out", str(tmp_path), "--resume", "--systems"]
    result = CliRunner().invoke(main, [*resume, "sister_a,baseline,sister_b"])
    assert result.exit_code == 0, result.output
    assert [experiment for experiment, _ in given] == [
        replace(begun, system="sister_a"),
        begun,
        replace(begun, system="sister_b", **FROZEN_LINEAR),  # the same recipe
    ]
    for name in ("sister_a", "sister_b"):
        assert f"{tmp_path / name} has not begun; it takes the settings of {tmp_path / 'baseline'}." in result.stderr
    assert f"{tmp_path / 'baseline'} has not begun" not in result.stderr
    given.clear()
    CliRunner().invoke(main, [*resume, "sister_a", "--seed", "5"])  # options win; runs of other systems count too
    assert [experiment for experiment, _ in given] == [replace(begun, system="sister_a", seed=5)]


def test_a_system_that_has_not_begun_has_the_batch_normalization_of_its_own_networks(dataset_folder, tmp_path, given):
    """All networks of the baseline are pretrained, one of sister_a's is not."""
    networks = {"weights": "none", "backbone": tiny_network(tmp_path / "tiny.keras"), "person_backbone": "resnet_mini"}
    begun = interrupted_run(tmp_path / "baseline", system="baseline", **networks)
    CliRunner().invoke(
        main, ["cv", str(dataset_folder), "--out", str(tmp_path), "--resume", "--systems", "baseline,sister_a"]
    )
    assert [experiment.batch_norm for experiment, _ in given] == [begun.batch_norm, "train"] == ["frozen", "train"]


def test_the_segmenter_of_every_system_is_checked_before_the_first(dataset_folder, tmp_path, given):
    several = ["cv", str(dataset_folder), "--out", str(tmp_path), "--segmenter", "selfy"]
    result = CliRunner().invoke(main, [*several, "--systems", "baseline,sister_a"])
    assert result.exit_code == 1
    assert "selfy: not a segmenter" in result.stderr
    assert not given
    for system in ("baseline", "sister_a"):
        interrupted_run(tmp_path / system, system=system, segmenter="selfy")
    (tmp_path / "sister_a" / "summary.json").write_text("{}")  # a finished run does not need its segmenter any more
    CliRunner().invoke(main, [*several, "--systems", "baseline,sister_a", "--resume"])
    assert [experiment.system for experiment, _ in given] == ["baseline", "sister_a"]


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
