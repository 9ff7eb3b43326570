"""Perform the steps of several runs in one pool: each run goes on as soon as its own tasks are completed."""

from collections import deque
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from keras_sister.errors import InputError
from keras_sister.run import OnEvent, Run
from keras_sister.training.engines.engine import Engine, Job, JobError


def _ignore(task: str) -> None:
    """Do nothing about a completed task."""


@dataclass(frozen=True)
class Step:
    """Tasks of a run that do not depend on each other; the next step begins when all of them are completed.

    Attributes:
        tasks: see `keras_sister.training.engines.engine.Job`.
        on_event: receives the events of the tasks.
        on_done: called with each task that is completed.
        fills: names of what the step makes for other runs too. Of two steps that would make the same at the same time,
            one waits for the other and finds it made.
    """

    tasks: Sequence[str]
    on_event: OnEvent
    on_done: Callable[[str], None] = _ignore
    fills: frozenset[Hashable] = frozenset()


Steps = Generator[Step, None, dict[str, Any]]
"""The steps of a run, of which it makes each when the one before is completed; it returns the result of the run."""


def perform_runs(runs: Mapping[Run, Steps], engine: Engine) -> dict[Run, dict[str, Any]]:
    """Perform runs, in their order where the engine has no room for several.

    A run begins, and its generator with it, when no task of those before can be started and there is room. An error or
    an interruption ends all tasks; then it is raised inside each run that has begun, for its contexts to end.

    Args:
        runs: the steps of each run.
        engine: where the tasks are performed.

    Returns:
        The result of each run.

    Raises:
        InputError: the first error of a task or of a generator; it names the run if there are several.
    """
    schedule = _Schedule(runs)
    with schedule, engine.open() as pool:  # which ends first: a run stays locked as long as a task is at work
        while True:
            while pool.has_room and (job := schedule.next_job()):
                pool.start(job)
            if schedule.is_finished:
                return {run: schedule.results[run] for run in runs}
            try:
                job = pool.wait()
            except JobError as error:
                raise InputError(schedule.named(error, error.job.run)) from error
            schedule.complete(job)


@dataclass
class _Begun:
    """A run that has begun and not ended."""

    steps: Steps
    step: Step = field(init=False)
    waiting: deque[str] = field(default_factory=deque)
    at_work: int = 0


class _Schedule:
    """Which task of which run comes next. As a context, it ends the runs that have begun when there is an error."""

    def __init__(self, runs: Mapping[Run, Steps]) -> None:
        self.results: dict[Run, dict[str, Any]] = {}
        self._are_several = len(runs) > 1
        self._to_begin = deque(runs.items())
        self._begun: dict[Run, _Begun] = {}
        self._filled: set[Hashable] = set()

    def __enter__(self) -> "_Schedule":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        for begun in self._begun.values():
            try:
                begun.steps.throw(error)
            except BaseException as raised:
                if raised is not error:
                    raise

    @property
    def is_finished(self) -> bool:
        return not self._begun and not self._to_begin

    def next_job(self) -> Job | None:
        """The next task that can be started, of the first run that has one."""
        while True:
            for run, begun in self._begun.items():
                if begun.waiting and not self._would_fill_twice(begun):
                    begun.at_work += 1
                    return Job(run, begun.waiting.popleft(), begun.step.on_event)
            if not self._to_begin:
                return None
            run, steps = self._to_begin.popleft()
            self._begun[run] = _Begun(steps)
            self._advance(run)

    def complete(self, job: Job) -> None:
        """Take a task that is completed."""
        begun = self._begun[job.run]
        begun.at_work -= 1
        begun.step.on_done(job.task)
        if not begun.at_work and not begun.waiting:
            self._filled |= begun.step.fills
            self._advance(job.run)

    def named(self, error: InputError, run: Run) -> str:
        """What the error of a run says, with the run's folder if there are several runs."""
        is_clear = not self._are_several or str(run.folder) in str(error)
        return str(error) if is_clear else f"{run.folder}: {error}"

    def _would_fill_twice(self, begun: _Begun) -> bool:
        missing = begun.step.fills - self._filled
        others = (other.step for other in self._begun.values() if other is not begun and other.at_work)
        return any(missing & step.fills for step in others)

    def _advance(self, run: Run) -> None:
        """Go on to the next step of a run that has tasks, or to its end."""
        begun = self._begun[run]
        try:
            while not begun.waiting:
                begun.step = next(begun.steps)
                begun.waiting.extend(begun.step.tasks)
        except StopIteration as end:
            del self._begun[run]
            self.results[run] = end.value
        except InputError as error:
            raise InputError(self.named(error, run)) from error
