"""Several runs in one pool: real worker processes of the local engine, of as many GPUs as they say there are."""

from pathlib import Path

import pytest

from keras_sister.errors import InputError
from keras_sister.run import Run
from keras_sister.training.engines.local_engine import LocalEngine
from keras_sister.training.engines.schedule import Step, Steps, perform_runs

from .test_local_engine import device_worker, is_running

__all__ = ["device_worker"]  # a fixture for all tests


class Log:
    """Runs of a test, and what happened in what order: ``a begins``, ``a views starts``, ``a views done``, ``a ends``.

    A run that an error ends has the error in the place of its end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines, self.at_end, self.interrupts_at = folder, [], lambda: None, ""

    def perform(self, gpus: int, **runs: list[tuple[str, str]]) -> dict[str, dict]:
        """Perform runs by name; each is a list of steps, of one task and what it fills."""
        steps = {}
        for name, tasks in runs.items():
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            (folder / "gpus").write_text(str(gpus))
            steps[Run(folder)] = self.steps(name, tasks)
        return {run.folder.name: result for run, result in perform_runs(steps, LocalEngine()).items()}

    def tell(self, line: str) -> None:
        self.lines.append(line)
        if line == self.interrupts_at:
            raise KeyboardInterrupt

    def steps(self, name: str, tasks: list[tuple[str, str]]) -> Steps:
        self.tell(f"{name} begins")
        try:
            for task, fills in tasks:
                started = f"{name} {task} starts"
                yield Step(
                    [task],
                    lambda event, started=started: self.tell(started),
                    lambda task: self.tell(f"{name} {task} done"),
                    frozenset(fills),
                )
        except BaseException as error:
            self.at_end()
            self.tell(f"{name} {type(error).__name__}")
            raise
        self.tell(f"{name} ends")
        return {"of": name}

    def in_order(self, *lines: str) -> bool:
        places = [self.lines.index(line) for line in lines]
        return places == sorted(places)


@pytest.fixture
def log(tmp_path) -> Log:
    return Log(tmp_path)


def test_where_there_is_room_for_one_task_runs_follow_each_other(log):
    """Not even begun is the second before the first has ended."""
    results = log.perform(1, a=[("views", "v"), ("fold-00", "")], b=[("views", "v")])
    assert results == {"a": {"of": "a"}, "b": {"of": "b"}}
    assert log.lines == [
        *("a begins", "a views starts", "a views done", "a fold-00 starts", "a fold-00 done", "a ends"),
        *("b begins", "b views starts", "b views done", "b ends"),
    ]


def test_on_several_gpus_a_run_goes_on_as_soon_as_its_own_tasks_are_done(log):
    """The first is at work until the third's last step, which so cannot wait for it; the second has nothing to do."""
    results = log.perform(2, a=[("views", ""), ("until c last", "")], b=[], c=[("views", ""), ("last", "")])
    assert list(results) == ["a", "b", "c"]
    assert log.in_order("a views done", "b begins", "b ends", "c views done", "c last starts", "a until c last done")
    assert {"a ends", "c ends"} <= set(log.lines)


def test_of_what_two_runs_would_make_at_the_same_time_one_waits_for_the_other(log):
    log.perform(3, a=[("count", ""), ("until c other", "v")], b=[("views", "v")], c=[("other", "w")])
    assert log.in_order("b begins", "c other starts", "a until c other done", "b views starts", "b ends")


def test_what_a_run_has_made_others_use_at_the_same_time(log):
    log.perform(2, a=[("views", "v")], b=[("until c views", "v")], c=[("views", "v")])
    assert log.in_order("a views done", "b until c views starts", "b ends")


def test_an_error_names_its_run_and_ends_the_others(log):
    runs = {"a": [("views", ""), ("hang", "")], "b": [("until a hang", ""), ("fail", "")], "c": [("views", "")]}
    (log.folder / "b").mkdir()
    (log.folder / "b" / "hang.pid").touch()  # what `fail` waits for
    log.at_end = lambda: log.lines.append(f"hangs: {is_running(log.folder / 'a' / 'hang.pid')}")
    with pytest.raises(InputError, match=f"^{log.folder}/b: no label is known$"):
        log.perform(2, **runs)
    assert log.lines[-4:] == ["hangs: False", "a InputError", "hangs: False", "b InputError"]
    assert "c begins" not in log.lines  # there was no room for it


def test_an_interruption_ends_all_runs_that_have_begun(log):
    log.interrupts_at = "b until a hang starts"
    with pytest.raises(KeyboardInterrupt):
        log.perform(2, a=[("views", ""), ("hang", "")], b=[("until a hang", "")])
    assert log.lines[-2:] == ["a KeyboardInterrupt", "b KeyboardInterrupt"]


def test_an_error_between_two_steps_names_its_run(log):
    def broken() -> Steps:
        yield Step([], lambda event: None)
        raise InputError("too few photos")

    runs = {Run(log.folder / name): steps for name, steps in {"a": log.steps("a", []), "b": broken()}.items()}
    with pytest.raises(InputError, match=f"^{log.folder}/b: too few photos$"):
        perform_runs(runs, LocalEngine())
    assert log.lines == ["a begins", "a ends"]
