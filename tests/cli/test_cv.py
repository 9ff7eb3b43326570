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

TINY_RUN = ["--system", "baseline", "--weights", "none", "--size", "32", "--folds", "2"]

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


@pytest.mark.slow
@pytest.mark.usefixtures("tasks_here")
def test_several_systems_and_seeds_by_one_command(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "sister.yaml")
    run = ["cv", str(dataset_folder), "--config", "sister.yaml", "--segmenter", f"masks:{dataset_folder / 'masks'}"]
    run += ["--trainable", "head", "--systems", "segmented, baseline", "--seeds", "3, 4", "--out", "all"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    names = ["segmented-seed-3", "segmented-seed-4", "baseline-seed-3", "baseline-seed-4"]
    experiments = [load_experiment(tmp_path / "all" / name / "config.yaml") for name in names]
    assert [f"{e.system}-seed-{e.seed}" for e in experiments] == names
    begun = [line for line in result.stderr.splitlines() if " of 4: " in line]
    assert begun == [f"{number} of 4: all/{name}" for number, name in enumerate(names, start=1)]
    assert "segmented-seed-4 fold-01: done" in result.stderr
    assert "run 1: segmented-seed-3 ×2 seeds" in result.stdout
    assert "run 2 − run 1" in result.stdout
    for label, pair in {"run 1": names[:2], "run 2": names[2:]}.items():
        maccs = [json.loads((tmp_path / "all" / name / "summary.json").read_text())["macc"]["mean"] for name in pair]
        spread = f"{50 * sum(maccs):.2f} ± {100 * abs(maccs[0] - maccs[1]) / 2**0.5:.2f} % over 2 seeds"
        assert f"{label}: MACC {spread}" in result.stdout
    page = (tmp_path / "all" / "report.html").read_text()
    assert all(name in page for name in names)
    resumed = CliRunner().invoke(main, [*run, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout == result.stdout


@pytest.fixture
def given(monkeypatch):
    """What `cv` cross-validates, in this order, instead of training."""
    calls: list[tuple[Experiment, dict]] = []

    def note(run, dataset, experiment, **how):
        calls.append((experiment, how))
        return {}
        yield

    monkeypatch.setattr("keras_sister.training.cross_validation._steps", note)
    monkeypatch.setattr("keras_sister.training.cross_validation.check_towers", lambda experiments: None)
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
    result = CliRunner().invoke(main, [*robust, "baseline", "--other-segmenter", "selfie"])
    assert result.exit_code == 1
    assert "baseline takes no masks" in result.stderr


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


def test_a_seed_that_has_not_begun_resumes_with_the_settings_of_its_own_system(dataset_folder, tmp_path, given):
    interrupted_run(tmp_path / "baseline-seed-2", system="baseline", folds=3, seed=2)
    begun = interrupted_run(tmp_path / "sister_b-seed-9", system="sister_b", folds=8, seed=9)
    resume = ["cv", str(dataset_folder), "--out", str(tmp_path), "--resume"]
    result = CliRunner().invoke(main, [*resume, "--systems", "sister_b,sister_a", "--seeds", "4,9"])
    assert result.exit_code == 0, result.output
    assert [experiment for experiment, _ in given] == [
        replace(begun, seed=4),
        begun,
        replace(begun, system="sister_a", seed=4),
        replace(begun, system="sister_a", seed=9),
    ]
    taken = f"{tmp_path / 'sister_b-seed-4'} has not begun; it takes the settings of {tmp_path / 'sister_b-seed-9'}."
    assert taken in result.stderr
    given.clear()
    CliRunner().invoke(main, [*resume, "--seeds", "2,3"])  # without a system, that which has begun
    assert [(e.system, e.folds, e.seed) for e, _ in given] == [("baseline", 3, 2), ("baseline", 3, 3)]
    given.clear()
    CliRunner().invoke(main, ["cv", str(dataset_folder), "--out", str(tmp_path), "--system", "twin", "--seeds", "5"])
    assert [(e.system, e.folds, e.seed) for e, _ in given] == [("twin", Experiment.folds, 5)]


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
        (["--seed", "0", "--seeds", "1,2"], "--seed or --seeds, not both"),
        (["--seeds", "1,2,1"], "1,2,1: a seed is given twice"),
        (["--seeds", "-1,2"], "'-1' is not a whole number from 0 to 2147483647"),
        (["--seeds", "0.5"], "'0.5' is not a whole number"),
        (["--seeds", "2147483648"], "'2147483648' is not a whole number"),
        (["--seeds", ","], "give one or more whole numbers"),
    ],
)
def test_systems_and_seeds_that_cannot_be_meant_are_refused(options, message, dataset_folder):
    result = CliRunner().invoke(main, ["cv", str(dataset_folder), *options])
    assert result.exit_code == 2
    assert message in result.stderr


def test_sigterm_ends_a_run_as_ctrl_c_does(dataset_folder, tiny, tmp_path):
    arguments = [str(dataset_folder), *TINY_RUN, "--backbone", tiny, "--epochs", "500", "--out", str(tmp_path / "run")]
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
def test_a_worker_that_the_system_kills_is_one_line(dataset_folder, tiny, tmp_path):
    run = ["--backbone", tiny, "--epochs", "500", "--batch-size", "8", "--out", str(tmp_path / "run")]
    arguments = [str(dataset_folder), *TINY_RUN, *run]
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
