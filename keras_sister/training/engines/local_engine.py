"""Perform the tasks of runs on this machine."""

import os
from collections import deque
from queue import SimpleQueue
from threading import Thread
from typing import Any

from keras_sister.errors import InputError
from keras_sister.training.engines.engine import Job, JobError
from keras_sister.training.work_record import installed_versions, record_work
from keras_sister.training.worker import TaskProcess

_VISIBLE = "CUDA_VISIBLE_DEVICES"

_Environment = dict[str, str]


class LocalEngine:
    """Performs tasks in worker processes: one after the other, or on several GPUs one on each at the same time.

    How many GPUs TensorFlow can use is told by the first worker, which sees all of them; a worker that shares the
    machine with others sees one, by ``CUDA_VISIBLE_DEVICES``. See `keras_sister.training.engines.engine.Engine`.
    """

    def open(self) -> "_Workers":
        """See `keras_sister.training.engines.engine.Engine`."""
        return _Workers()


def environments_of(gpus: int) -> list[_Environment]:
    """The environments of workers that work at the same time, one for each GPU.

    Args:
        gpus: how many GPUs a worker can use that sees all of them.

    Example:
        >>> environments_of(2)
        [{'CUDA_VISIBLE_DEVICES': '0'}, {'CUDA_VISIBLE_DEVICES': '1'}]
    """
    if gpus < 2:
        return [{}]
    given = os.environ.get(_VISIBLE)
    names = [name.strip() for name in given.split(",")] if given else list(map(str, range(gpus)))
    return [{_VISIBLE: name} for name in names[:gpus]]  # CUDA, too, takes the first ones of the list


class _Workers:
    """Worker processes at work; none is left when the context ends."""

    def __init__(self) -> None:
        self._free: deque[_Environment] = deque([{}])  # of the first worker, which works alone
        self._gpus: int | None = None
        self._at_work: dict[Job, tuple[TaskProcess, _Environment, Thread]] = {}
        self._told: SimpleQueue[tuple[Job, dict[str, Any] | Exception | None]] = SimpleQueue()

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for process, _, _ in self._at_work.values():
            process.kill()
        for _, _, thread in self._at_work.values():
            thread.join()

    @property
    def has_room(self) -> bool:
        """Whether a GPU, or the machine, is free."""
        return bool(self._free)

    def start(self, job: Job) -> None:
        """Start a worker."""
        environment = self._free.popleft()
        process = TaskProcess(job.run, job.task, environment)
        thread = Thread(target=self._listen, args=(job, process), daemon=True)
        self._at_work[job] = (process, environment, thread)
        thread.start()

    def wait(self) -> Job:
        """Pass events on until a worker has ended. Returns its job."""
        while True:
            job, told = self._told.get()
            if isinstance(told, InputError):
                raise JobError(job, told) from told
            if isinstance(told, Exception):
                raise told
            if told is None:
                self._end(job)
                return job
            if told["event"] == "performed":
                record_work(job.run, told["task"], told["seconds"], installed_versions(job.run.backend))
            else:
                job.on_event(told)

    def _end(self, job: Job) -> None:
        process, environment, thread = self._at_work.pop(job)
        thread.join()
        if self._gpus is None:
            self._gpus = process.gpus
            self._free.extend(environments_of(process.gpus))
        else:
            self._free.append(environment)

    def _listen(self, job: Job, process: TaskProcess) -> None:
        try:
            for event in process.events():
                self._told.put((job, event))
        except Exception as error:  # is raised by `wait`
            self._told.put((job, error))
        else:
            self._told.put((job, None))
