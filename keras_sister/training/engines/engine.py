"""What performs the tasks of a run."""

from collections.abc import Callable, Sequence
from typing import Protocol

from keras_sister.run import OnEvent, Run

OnDone = Callable[[str], None]
"""Called with the name of a task that is completed."""


def ignore_task(task: str) -> None:
    """Do nothing about a completed task."""


class Engine(Protocol):
    """Where tasks are performed: on this machine or on a cluster."""

    def perform(self, run: Run, tasks: Sequence[str], on_event: OnEvent, on_done: OnDone = ignore_task) -> None:
        """Perform tasks that do not depend on each other, in any order, several at once where the engine can.

        When it returns or raises, no task is at work any more. What an interrupted task has finished is kept.

        Args:
            run: the run.
            tasks: see `keras_sister.training.tasks.perform`; one may be a `keras_sister.training.worker.chain`.
            on_event: receives the events of all tasks, with the task's name as ``task``, in the calling thread.
            on_done: called after each task, in the calling thread.

        Raises:
            InputError: the first error of a task; the other tasks are then ended.
        """
