"""Tasks of a run in a process of their own: ``python -m keras_sister.training.worker RUN TASK[+TASK…]``.

A process releases all its memory when it ends, on the GPU too. Tasks that follow each other at once, such as
``views+heads``, share one: to load TensorFlow takes seconds. The worker reads everything from the run folder
and reports its progress as JSON lines on standard output. It ends together with the process that started it, however
that ends: its standard input is a pipe that nothing is written to, and that closes with the parent.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from keras_sister.errors import InputError, is_disk_full, is_out_of_memory
from keras_sister.keras_backend import start_keras
from keras_sister.run import OnEvent, Run
from keras_sister.storage.disk_errors import disk_error
from keras_sister.tensorflow_start import turn_on_onednn
from keras_sister.training.work_record import installed_versions, record_work

_ON_TENSORFLOW = ("views", "robustness")
"""The tasks that read photos, and compute on TensorFlow whatever trains the run."""

MODULE = "keras_sister.training.worker"
"""What a child process runs: this module."""


class WorkerKilledError(InputError):
    """A worker process was ended by a signal, such as the system's where memory runs out."""


def chain(*tasks: str) -> str:
    """The name of tasks that one process performs one after the other.

    Example:
        >>> chain("views", "train")
        'views+train'
    """
    return "+".join(tasks)


def tasks_in(task: str) -> list[str]:
    """The tasks of a `chain`, or the one task that it is."""
    return task.split("+")


def perform_in_child(run: Run, task: str, on_event: OnEvent) -> None:
    """Perform one task of a run, or a `chain` of them, in a child process.

    Args:
        run, task: see `keras_sister.training.tasks.perform`.
        on_event: receives progress events, with the task's name as ``task``.

    Raises:
        InputError: that of the child, or one that says how it ended otherwise, such as by a signal.
    """
    process = TaskProcess(run, task)
    for event in process.events():
        if event["event"] == "performed":
            record_work(run, event["task"], event["seconds"], installed_versions(run.backend))
        else:
            on_event(event)


class TaskProcess:
    """A child process that performs one task of a run, or a `chain` of them.

    Args:
        run, task: see `keras_sister.training.tasks.perform`.
        environment: variables that it gets in addition to those of this process.

    Attributes:
        gpus: how many GPUs it could use; known when its first task is completed.
    """

    def __init__(self, run: Run, task: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.run, self.task, self.gpus = run, task, 0
        self._waiting = tasks_in(task)  # the first is at work
        self._log = run.folder / "logs" / f"{task}.txt"
        self._log.parent.mkdir(exist_ok=True)
        self._started = time.monotonic()
        command = [sys.executable, "-m", MODULE, str(run.folder), task]
        with self._log.open("w") as errors:
            self._child = subprocess.Popen(  # noqa: S603 - our own module, no shell
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.PIPE,
                text=True,
                env={**os.environ, **environment},
            )

    def events(self) -> Generator[dict[str, Any]]:
        """Its progress events, until it has ended; an error or an interruption here ends it.

        When a task is completed, one is ``performed``, with the ``task`` and the ``seconds`` that it took.

        Raises:
            InputError: that of the child, or one that says how it ended otherwise; a `WorkerKilledError` for a signal.
        """
        with self._child as child:
            try:
                for line in child.stdout or ():
                    event = json.loads(line)
                    if event["event"] == "error":
                        raise InputError(event["message"])
                    if event["event"] == "out_of_memory":
                        raise InputError(_out_of_memory(self.run, self._at_work))
                    if event["event"] == "performed":
                        self.gpus = event["gpus"]
                        yield {"task": self._at_work, "event": "performed", "seconds": self._next()}
                    else:
                        yield event
                child.wait()
            except BaseException:
                child.kill()
                raise
        if child.returncode:
            raise _how_it_ended(self.run, self._at_work, child.returncode, self._log)

    @property
    def _at_work(self) -> str:
        return self._waiting[0] if self._waiting else self.task

    def _next(self) -> float:
        """Go on to the next task. Returns the seconds that the last one took."""
        before, self._started = self._started, time.monotonic()
        del self._waiting[:1]
        return self._started - before

    def kill(self) -> None:
        """End it; what is finished is kept."""
        self._child.kill()


def _how_it_ended(run: Run, task: str, code: int, log: Path) -> InputError:
    if code == -signal.SIGKILL:  # what the kernel does where memory runs out
        return WorkerKilledError(
            f"{task}: killed by the system, perhaps because memory ran out. {_use_less_memory(run, task)}"
        )
    lines = log.read_text(errors="replace").strip().splitlines() or ["no message"]
    if code == -signal.SIGABRT and any("bad_alloc" in line for line in lines):  # what C++ does where memory runs out
        return InputError(_out_of_memory(run, task))
    if code < 0:
        return WorkerKilledError(
            f"{task}: ended by {signal.Signals(-code).name}; start the command again with --resume. Details: {log}"
        )
    return InputError(f"{task}: failed: {lines[-1]}. Details: {log}")


def _out_of_memory(run: Run, task: str) -> str:
    return f"{task}: out of memory. {_use_less_memory(run, task)}"


def _use_less_memory(run: Run, task: str) -> str:
    """How to go on after a task ran out of memory; for some a smaller batch size would not help."""
    if task in ("views", "heads") or run.experiment.batch_size == 1:
        return "Close other programs and start the command again with --resume."
    half = run.experiment.batch_size // 2
    return (
        f"Close other programs and start the command again with --resume, or start another run with --out and"
        f" --batch-size {half}."
    )


def main(folder: str, chained: str) -> int:
    """Perform tasks and report their progress on standard output. Returns the exit code, 1 if one failed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    turn_on_onednn()
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # allocate what is needed, not the whole GPU
    lines, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not mix with the events
    task, last_step = "", 0.0

    def report(event: dict[str, Any]) -> None:
        nonlocal last_step
        if event["event"] == "step":
            if time.monotonic() - last_step < 0.1 and event["step"] < event["steps"]:
                return  # ten updates a second are enough
            last_step = time.monotonic()
        print(json.dumps({"task": task, **event}), file=lines, flush=True)

    try:
        run = Run(Path(folder))
        start_keras("tensorflow" if tasks_in(chained)[0] in _ON_TENSORFLOW else run.backend)
        import keras

        from keras_sister.training import tasks

        for task in tasks_in(chained):
            keras.utils.clear_session()  # automatic names begin as in a process of its own
            tasks.perform(run, task, report)
            report({"event": "performed", "gpus": _count_gpus()})
    except InputError as error:
        report({"event": "error", "message": str(error)})
        return 1
    except (BrokenPipeError, KeyboardInterrupt):
        return 1
    except OSError as error:
        report({"event": "error", "message": str(disk_error(error))})
        return 1
    except Exception as error:
        if is_disk_full(error):
            report({"event": "error", "message": str(disk_error(error))})
            return 1
        if not is_out_of_memory(error):
            raise
        report({"event": "out_of_memory"})
        return 1
    return 0


def _count_gpus() -> int:
    """The GPUs that a task in this process can use, which only its backend knows for sure."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return sum(device.platform == "gpu" for device in jax.local_devices())
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    try:
        code = main(*sys.argv[1:])
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)  # what a failed task left of TensorFlow may wait forever for its own threads
