"""What performs the tasks of runs."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from keras_sister.errors import InputError
from keras_sister.run import OnEvent, Run


@dataclass(frozen=True, eq=False)
class Job:
    """One task of a run.

    Attributes:
        run: the run.
        task: see `keras_sister.training.tasks.perform`, or a `keras_sister.training.worker.chain`.
        on_event: receives the events of the task, with its name as ``task``, in the thread that calls `Pool.wait`.
    """

    run: Run
    task: str
    on_event: OnEvent


class JobError(InputError):
    """The error of a job.

    Attributes:
        job: the job that failed.
    """

    def __init__(self, job: Job, error: InputError) -> None:
        super().__init__(str(error))
        self.job = job


class Pool(Protocol):
    """The jobs that are at work at the same time, of one run or of several."""

    @property
    def has_room(self) -> bool:
        """Whether a further job can be started now."""

    def start(self, job: Job) -> None:
        """Start a job.

        Raises:
            InputError: if the engine cannot be used.
        """

    def wait(self) -> Job:
        """Pass events on until one of the jobs at work is completed. Returns that job.

        Raises:
            JobError: the first error of a job.
        """


class Engine(Protocol):
    """Where tasks are performed: on this machine or on a cluster."""

    def open(self) -> AbstractContextManager[Pool]:
        """A pool for jobs that do not depend on each other.

        When its context ends, however it does, no job is at work any more. What an interrupted job has finished is
        kept.
        """
