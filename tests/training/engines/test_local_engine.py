"""Several GPUs of one machine: real worker processes, which report the variable by which CUDA shows them a GPU."""

import os
from pathlib import Path

import pytest

from keras_sister.errors import InputError
from keras_sister.run import Run
from keras_sister.training.engines.local_engine import LocalEngine, environments_of
from keras_sister.training.worker import chain

from ...pages import ROOT

FOLDS = [f"fold-{number:02d}" for number in range(6)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_sister.training.worker.MODULE", "tests.training.engines.device_worker")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Run(tmp_path)


def perform(run: Run, gpus: int) -> tuple[dict[str, str | None], list[str]]:
    """What each worker saw, and the tasks in the order in which they were completed."""
    (run.folder / "gpus").write_text(str(gpus))
    told, done, engine = [], [], LocalEngine()
    engine.perform(run, ["views"], told.append, done.append)
    engine.perform(run, FOLDS, told.append, done.append)
    assert not list(run.folder.glob("taken-*"))
    return {event["task"]: event["device"] for event in told}, done


@pytest.mark.parametrize(
    ("visible", "gpus", "expected"),
    [
        (None, 3, {"0", "1", "2"}),
        ("4,6", 2, {"4", "6"}),
        ("GPU-8a, GPU-3f,GPU-5d", 2, {"GPU-8a", "GPU-3f"}),  # CUDA lists what comes before the first wrong name
    ],
)
def test_folds_work_at_once_one_on_each_gpu(run, monkeypatch, visible, gpus, expected):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    seen, done = perform(run, gpus)
    assert seen.pop("views") == visible  # the first worker counts them
    assert set(seen.values()) == expected
    assert done[0] == "views"
    assert sorted(done[1:]) == FOLDS
    assert sorted(entry["task"] for entry in run.read("work.json")) == [*FOLDS, "views"]


@pytest.mark.parametrize("gpus", [0, 1])
def test_on_one_gpu_or_none_folds_work_one_after_the_other(run, gpus):
    seen, done = perform(run, gpus)
    assert set(seen.values()) == {None}
    assert done == ["views", *FOLDS]


def test_environments():
    assert environments_of(0) == environments_of(1) == [{}]
    assert environments_of(2) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]


def is_running(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_the_first_error_ends_the_other_workers(run):
    (run.folder / "gpus").write_text("2")
    engine = LocalEngine()
    engine.perform(run, ["views"], lambda event: None)
    with pytest.raises(InputError, match="no label is known"):
        engine.perform(run, ["hang", "fail"], lambda event: None)
    assert not is_running(run.folder / "hang.pid")
    assert [entry["task"] for entry in run.read("work.json")] == ["views"]


@pytest.mark.parametrize(("last", "message"), [("fail", "no label is known"), ("die", "die: ended by SIGABRT")])
def test_of_a_chain_what_is_completed_is_recorded(run, last, message):
    (run.folder / "gpus").write_text("1")
    (run.folder / "hang.pid").touch()  # what `fail` waits for
    with pytest.raises(InputError, match=message):
        LocalEngine().perform(run, [chain("views", "fold-00", last)], lambda event: None)
    assert [entry["task"] for entry in run.read("work.json")] == ["views", "fold-00"]


def test_a_worker_that_dies_after_its_last_task_is_named(run):
    (run.folder / "gpus").write_text("1")
    with pytest.raises(InputError, match="end badly: ended by SIGABRT"):
        LocalEngine().perform(run, ["end badly"], lambda event: None)
    assert [entry["task"] for entry in run.read("work.json")] == ["end badly"]


def test_an_interruption_ends_all_workers(run):
    (run.folder / "gpus").write_text("1")

    def interrupt(event: dict[str, object]) -> None:
        while not (run.folder / "hang.pid").exists():
            pass
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalEngine().perform(run, ["hang"], interrupt)
    assert not is_running(run.folder / "hang.pid")
