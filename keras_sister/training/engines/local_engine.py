"""Perform the tasks of a run on this machine."""

import os
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any

from keras_sister.run import OnEvent, Run
from keras_sister.training.engines.engine import OnDone, ignore_task
from keras_sister.training.work_record import installed_versions, record_work
from keras_sister.training.worker import TaskProcess

_VISIBLE = "CUDA_VISIBLE_DEVICES"

_Environment = dict[str, str]


class LocalEngine:
    """Performs tasks in worker processes: one after the other, or on several GPUs one on each at the same time.

    How many GPUs TensorFlow can use is told by the first worker, which sees all of them; a worker that shares the
    machine with others sees one, by ``CUDA_VISIBLE_DEVICES``. See `keras_sister.training.engines.engine.Engine`.
    """

    def __init__(self) -> None:
        self._environments: list[_Environment] | None = None  # of workers at the same time, if that is known

    def perform(self, run: Run, tasks: Sequence[str], on_event: OnEvent, on_done: OnDone = ignore_task) -> None:
        """See `keras_sister.training.engines.engine.Engine`."""
        waiting, free = deque(tasks), deque(self._environments or [{}])
        with _Workers(run) as workers:
            while waiting or workers.at_work:
                while waiting and free:
                    workers.start(waiting.popleft(), free.popleft())
                task, environment = workers.wait(on_event)
                if self._environments is None:
                    self._environments = environments_of(workers.gpus)
                    free.extend(self._environments)
                else:
                    free.append(environment)
                on_done(task)


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
    """Worker processes at work for one run; none is left when the context ends."""

    def __init__(self, run: Run) -> None:
        self.run, self.gpus = run, 0
        self.at_work: dict[str, tuple[TaskProcess, _Environment, Thread]] = {}
        self._told: SimpleQueue[tuple[str, dict[str, Any] | BaseException | None]] = SimpleQueue()

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for process, _, _ in self.at_work.values():
            process.kill()
        for _, _, thread in self.at_work.values():
            thread.join()

    def start(self, task: str, environment: _Environment) -> None:
        """Start a worker."""
        process = TaskProcess(self.run, task, environment)
        thread = Thread(target=self._listen, args=(process,), daemon=True)
        self.at_work[task] = (process, environment, thread)
        thread.start()

    def wait(self, on_event: OnEvent) -> tuple[str, _Environment]:
        """Pass events on until a worker has ended. Returns its task and its environment."""
        while True:
            task, told = self._told.get()
            if isinstance(told, BaseException):
                raise told
            if told is None:
                process, environment, thread = self.at_work.pop(task)
                thread.join()
                self.gpus = process.gpus
                return task, environment
            if told["event"] == "performed":
                record_work(self.run, told["task"], told["seconds"], installed_versions(self.run.backend))
            else:
                on_event(told)

    def _listen(self, process: TaskProcess) -> None:
        try:
            for event in process.events():
                self._told.put((process.task, event))
        except Exception as error:  # is raised by `wait`
            self._told.put((process.task, error))
        else:
            self._told.put((process.task, None))
