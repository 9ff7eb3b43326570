"""Several GPUs of one machine: real worker processes, which report the variable by which CUDA shows them a GPU."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from keras_sister.errors import InputError
from keras_sister.run import OnEvent, Run
from keras_sister.training.engines.local_engine import LocalEngine, environments_of
from keras_sister.training.engines.schedule import Step, Steps, perform_runs
from keras_sister.training.worker import chain

from ...pages import ROOT

FOLDS = [f"fold-{number:02d}" for number in range(6)]


@pytest.fixture(autouse=True)
def device_worker(monkeypatch):
    monkeypatch.setattr("keras_sister.training.worker.MODULE", "tests.training.engines.device_worker")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path)


def ignore(event: dict[str, object]) -> None:
    """Take no notice of an event."""


def perform(run: Run, *steps: Sequence[str], on_event: OnEvent = ignore) -> list[str]:
    """The tasks in the order in which they were completed."""
    done: list[str] = []

    def each() -> Steps:
        for tasks in steps:
            yield Step(tasks, on_event, done.append)
        return {}

    assert perform_runs({run: each()}, LocalEngine()) == {run: {}}
    return done


def seen_by_folds(run: Run, gpus: int) -> tuple[dict[str, str | None], list[str]]:
    """What each worker saw, and the tasks in the order in which they were completed."""
    (run.folder / "gpus").write_text(str(gpus))
    told: list[dict] = []
    done = perform(run, ["views"], FOLDS, on_event=told.append)
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
    seen, done = seen_by_folds(run, gpus)
    assert seen.pop("views") == visible  # the first worker counts them
    assert set(seen.values()) == expected
    assert done[0] == "views"
    assert sorted(done[1:]) == FOLDS
    assert sorted(entry["task"] for entry in run.read("work.json")) == [*FOLDS, "views"]


@pytest.mark.parametrize("gpus", [0, 1])
def test_on_one_gpu_or_none_folds_work_one_after_the_other(run, gpus):
    seen, done = seen_by_folds(run, gpus)
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
    with pytest.raises(InputError, match=r"^no label is known"):
        perform(run, ["views"], ["hang", "fail"])
    assert not is_running(run.folder / "hang.pid")
    assert [entry["task"] for entry in run.read("work.json")] == ["views"]


@pytest.mark.parametrize(("last", "message"), [("fail", "no label is known"), ("die", "die: ended by SIGABRT")])
def test_of_a_chain_what_is_completed_is_recorded(run, last, message):
    (run.folder / "gpus").write_text("1")
    (run.folder / "hang.pid").touch()  # what `fail` waits for
    with pytest.raises(InputError, match=message):
        perform(run, [chain("views", "fold-00", last)])
    assert [entry["task"] for entry in run.read("work.json")] == ["views", "fold-00"]


def test_a_worker_that_dies_after_its_last_task_is_named(run):
    (run.folder / "gpus").write_text("1")
    with pytest.raises(InputError, match="end badly: ended by SIGABRT"):
        perform(run, ["end badly"])
    assert [entry["task"] for entry in run.read("work.json")] == ["end badly"]


def test_an_interruption_ends_all_workers(run):
    (run.folder / "gpus").write_text("1")

    def interrupt(event: dict[str, object]) -> None:
        while not (run.folder / "hang.pid").exists():
            pass
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(run, ["hang"], on_event=interrupt)
    assert not is_running(run.folder / "hang.pid")
