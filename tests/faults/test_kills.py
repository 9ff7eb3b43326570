"""The commands, ended at 77 random moments and then run to the end: nothing is lost, and the same bytes come out.

Three ways to end: SIGKILL for a command and its workers, SIGKILL for the command alone, whose workers must then end by
themselves, and SIGTERM, which must do what Ctrl-C does. The moments come from a seed, but where they fall depends on
the machine.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sister.app.corrections import keep_correction
from keras_sister.schema import DCSA

from ..evaluation.calibrated_run import write_calibrated_run
from ..pages import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

TINY = [
    "--backbone",
    "resnet_mini",
    "--weights",
    "none",
    "--size",
    "32",
    "--batch-size",
    "8",
    "--learning-rate",
    "2e-3",
]

SIGNALS = {"local": (), "ray": (signal.SIGTERM, -signal.SIGABRT)}
"""Exit codes of SIGTERM that are right too, by engine: while Ray starts, it has handlers of its own, and may abort."""


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A command in a session of its own, by which its workers can be found."""
    command, environment = [sys.executable, "-m", "cli", *arguments], {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)


def left_of(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = status.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(number) == session and state != "Z":
            found.append(int(status.parent.name))
    return found


def end(child: subprocess.Popen[bytes], way: str, starting: tuple[int, ...] = ()) -> None:
    """End a command in one of the three ways, and check that nothing of it goes on.

    Args:
        child: the command.
        way: ``all``, ``alone`` or ``terminate``.
        starting: exit codes of SIGTERM that are right too, of what has handlers of its own while it starts.
    """
    if way == "all":
        os.killpg(child.pid, signal.SIGKILL)
    else:
        child.send_signal(signal.SIGTERM if way == "terminate" else signal.SIGKILL)
    code = child.wait(60)
    if way == "terminate":
        # SIGINT is 130 to a shell. SIGTERM: while Python itself started.
        assert code in (130, 0, -signal.SIGINT, -signal.SIGTERM, *starting), code
    for _ in range(600):
        if not left_of(child.pid):
            return
        time.sleep(0.1)
    raise AssertionError(f"still running a minute after: {left_of(child.pid)}")


def check_whole(folder: Path) -> None:
    """Every file that has its name is whole."""
    for file in folder.rglob("*"):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".npz":
            with np.load(file) as arrays:
                dict(arrays)
        elif file.suffix in (".png", ".jpg"):
            with Image.open(file) as image:
                image.load()
        elif file.suffix == ".html":
            assert file.read_text().rstrip().endswith("</html>")


def bytes_of(folder: Path, *patterns: str) -> dict[str, str]:
    """SHA-256 of files by name; of a model's file, of the weights in it."""
    found = {}
    for file in sorted(file for pattern in patterns for file in folder.glob(pattern)):
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as parts:  # the others note a time and addresses
                contents = parts.read("model.weights.h5")
        else:
            contents = file.read_bytes()
        found[str(file.relative_to(folder))] = hashlib.sha256(contents).hexdigest()
    assert found
    return found


def killed_again_and_again(
    arguments: Callable[[Path], list[str]],
    again: list[str],
    patterns: tuple[str, ...],
    kills: int,
    tmp_path: Path,
    starting: tuple[int, ...] = (),
) -> None:
    """End a command so many times, continue it each time, and compare with one that nothing ended.

    Args:
        arguments: of ``sister-keras``, for an output folder.
        again: further ones for a folder in which it was ended.
        patterns: files in the output folder whose bytes must be equal.
        kills: how often it is ended.
        tmp_path: where the folders are made.
        starting: see `end`.
    """
    rng, log = np.random.default_rng(kills), tmp_path / "log"
    begun = time.monotonic()
    assert start(arguments(tmp_path / "whole"), log).wait() == 0, log.read_text()
    duration = time.monotonic() - begun
    expected = bytes_of(tmp_path / "whole", *patterns)

    def run(out: Path, seconds: float | None) -> bool:
        """Run or continue; whether it ended by itself, with the right bytes."""
        child = start(arguments(out) + (again if out.exists() else []), log)
        try:
            assert child.wait(seconds) == 0, log.read_text()
        except subprocess.TimeoutExpired:
            end(child, ["all", "alone", "terminate"][rng.integers(3)], starting)
            assert "Traceback" not in log.read_text(), log.read_text()
            check_whole(out)
            return False
        assert bytes_of(out, *patterns) == expected
        assert not list(out.rglob(".keras-sister-*"))
        shutil.rmtree(out)
        return True

    done, out = 0, tmp_path / "killed"
    while done < kills:
        fresh, begun = not out.exists(), time.monotonic()
        killed = not run(out, rng.uniform(0.05, 1) * duration)
        done += killed
        if fresh and not killed:  # the machine is less busy than it was
            duration = time.monotonic() - begun
    assert run(out, None)


@pytest.mark.parametrize(("engine", "kills"), [("local", 11), ("ray", 5)])
def test_cv(dataset_folder, tmp_path, engine, kills):
    def arguments(out: Path) -> list[str]:
        settings = ["--system", "sister_a", "--person-backbone", "resnet_mini", "--folds", "2", "--epochs", "4"]
        masks = ["--segmenter", f"masks:{dataset_folder / 'masks'}"]
        return ["cv", str(dataset_folder), *TINY, *settings, *masks, "--engine", engine, "--out", str(out)]

    # The page has the duration; that its numbers are those of the run is tested elsewhere.
    patterns = ("summary.json", "folds.json", "fold-*/predictions.npz", "fold-*/history.json", "fold-*/*.h5")
    killed_again_and_again(arguments, ["--resume"], patterns, kills, tmp_path, SIGNALS[engine])


def test_one_pass(dataset_folder, tmp_path, monkeypatch):
    """Views and features of each run are its own: a pass that was killed ends with the bits of one that was not."""

    def arguments(out: Path) -> list[str]:
        monkeypatch.setenv("KERAS_SISTER_CACHE", f"{out}-cache")
        settings = ["--systems", "sister_b,baseline", "--person-backbone", "resnet_mini", "--folds", "3"]
        frozen = ["--trainable", "head", "--augment", "--epochs", "4", "--segmenter", f"masks:{dataset_folder}/masks"]
        return ["cv", str(dataset_folder), *TINY, *settings, *frozen, "--out", str(out)]

    patterns = ("*/summary.json", "*/fold-*/predictions.npz", "*/fold-*/history.json", "*/fold-*/*.h5")
    killed_again_and_again(arguments, ["--resume"], patterns, 6, tmp_path)


def test_train(dataset_folder, tmp_path):
    def arguments(out: Path) -> list[str]:
        return ["train", str(dataset_folder), "--system", "baseline", *TINY, "--epochs", "4", "--out", str(out)]

    killed_again_and_again(arguments, ["--resume"], ("model.keras", "history.json"), 5, tmp_path)


def test_segment_apply(dataset_folder, tmp_path):
    def arguments(out: Path) -> list[str]:
        masks = ["--segmenter", f"masks:{dataset_folder / 'masks'}"]
        return ["segment", "apply", str(dataset_folder / "images"), *masks, "--out", str(out)]

    killed_again_and_again(arguments, ["--resume"], ("*/*.png",), 11, tmp_path)


@pytest.fixture
def catalogue(photos, tmp_path) -> Path:
    """1,100 photos, in three parts."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for i in range(1100):
        os.link(photos[i % len(photos)], folder / f"{i:05d}{photos[i % len(photos)].suffix}")
    return folder


@pytest.mark.parametrize(("engine", "kills"), [("local", 9), ("ray", 4)])
def test_tag(sister_export, catalogue, tmp_path, engine, kills):
    def arguments(out: Path) -> list[str]:
        out.mkdir(exist_ok=True)
        chosen = ["--engine", engine, "--resume"]  # which a first job, and one that was complete, take too
        return ["tag", str(sister_export.folder), str(catalogue), "--out", str(out / "t.csv"), *chosen]

    killed_again_and_again(arguments, [], ("t.csv",), kills, tmp_path, SIGNALS[engine])


def test_report(dataset_folder, tmp_path):
    run = tmp_path / "run"
    settings = ["--system", "baseline", *TINY, "--folds", "2", "--epochs", "1", "--out", str(run)]
    assert start(["cv", str(dataset_folder), *settings], tmp_path / "log").wait() == 0, (tmp_path / "log").read_text()

    def arguments(out: Path) -> list[str]:
        out.mkdir(exist_ok=True)
        return ["report", str(run), "--out", str(out / "report.html")]

    killed_again_and_again(arguments, [], ("report.html",), 6, tmp_path)


def test_explain(sister, photos, tmp_path):
    def arguments(out: Path) -> list[str]:
        attributes = ["--attribute", "neckline", "--attribute", "collar"]
        return ["explain", str(sister.folder), *map(str, photos), *attributes, "--out", str(out)]

    killed_again_and_again(arguments, [], ("*.png",), 6, tmp_path)


def test_segment_preview(dataset_folder, tmp_path):
    def arguments(out: Path) -> list[str]:
        out.mkdir(exist_ok=True)
        masks = ["--segmenter", f"masks:{dataset_folder / 'masks'}"]
        return ["segment", "preview", str(dataset_folder / "images"), *masks, "--out", str(out / "sheet.png")]

    killed_again_and_again(arguments, [], ("sheet.png",), 3, tmp_path)


def test_thresholds(tmp_path):
    run = write_calibrated_run(tmp_path / "run").folder

    def arguments(out: Path) -> list[str]:
        if not out.exists():
            shutil.copytree(run, out)
        return ["thresholds", str(out), "--precision", "0.8"]

    killed_again_and_again(arguments, [], ("thresholds.json",), 4, tmp_path)


def test_data_review(tmp_path):
    run = write_calibrated_run(tmp_path / "run").folder

    def arguments(out: Path) -> list[str]:
        out.mkdir(exist_ok=True)
        (out / "tasks.json").unlink(missing_ok=True)  # a second one would be refused; tasks.xml alone is not
        return ["data", "review", str(run), "--out", str(out / "tasks.json")]

    killed_again_and_again(arguments, [], ("tasks.json", "tasks.xml"), 4, tmp_path)


def test_data_apply(dataset_folder, tmp_path):
    corrections = tmp_path / "corrections"
    keep_correction(corrections, dataset_folder / "images" / "000001.jpg", DCSA, "scarf", "yes")

    def arguments(out: Path) -> list[str]:
        out.mkdir(exist_ok=True)
        if (out / "new").exists():  # it was complete; a second one would be refused
            shutil.rmtree(out / "new")
        return ["data", "apply", str(dataset_folder), str(corrections), "--out", str(out / "new")]

    killed_again_and_again(arguments, [], ("new/images/*", "new/masks/*", "new/labels/*"), 4, tmp_path)


def test_app(sister, photos, tmp_path):
    """Ended while it keeps corrections: those that were confirmed are there, and the page opens again, at its port."""
    pytest.importorskip("gradio")
    from ..app.test_page import call

    corrections, log, rng, kept = tmp_path / "corrections", tmp_path / "log", np.random.default_rng(0), set()
    port = 20_000 + os.getpid() % 10_000
    for way in ("all", "alone", "terminate", "all"):
        child = start(["app", str(sister.folder), "--corrections", str(corrections), "--port", str(port)], log)
        while "Ctrl-C closes it" not in log.read_text():
            assert child.poll() is None, log.read_text()
            time.sleep(0.1)
        ends = time.monotonic() + rng.uniform(0.5, 4)
        while time.monotonic() < ends:
            photo = photos[rng.integers(len(photos))]
            event, _ = call(f"http://127.0.0.1:{port}/", "keep", photo, f"neckline = {rng.choice(['round', 'other'])}")
            assert event == "complete"
            kept.add(hashlib.sha256(photo.read_bytes()).hexdigest())
        end(child, way)
        check_whole(corrections)
        assert {file.stem for file in corrections.glob("*.json")} == kept
