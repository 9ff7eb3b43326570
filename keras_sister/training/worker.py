"""One task of a run in a process of its own: ``python -m keras_sister.training.worker RUN TASK``.

A process per task releases all its memory when it ends, on the GPU too. The worker reads everything from the run folder
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
from pathlib import Path
from typing import Any

from keras_sister.errors import InputError, is_disk_full, is_out_of_memory
from keras_sister.run import OnEvent, Run
from keras_sister.storage.disk_errors import disk_error
from keras_sister.training.work_record import record_work


def perform_in_child(run: Run, task: str, on_event: OnEvent) -> None:
    """Perform one task of a run in a child process.

    Args:
        run, task: see `keras_sister.training.tasks.perform`.
        on_event: receives progress events, with the task's name as ``task``.

    Raises:
        InputError: that of the child, or one that says how it ended otherwise, such as by a signal.
    """
    log = run.folder / "logs" / f"{task}.txt"
    log.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    command = [sys.executable, "-m", __name__, str(run.folder), task]
    with (
        log.open("w") as errors,
        subprocess.Popen(  # noqa: S603 - our own module, no shell
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.PIPE, text=True
        ) as child,
    ):
        try:
            for line in child.stdout or ():
                event = json.loads(line)
                if event["event"] == "error":
                    raise InputError(event["message"])
                if event["event"] == "out_of_memory":
                    raise InputError(_out_of_memory(run, task))
                on_event(event)
            child.wait()
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise InputError(_how_it_ended(run, task, child.returncode, log))
    record_work(run, task, time.monotonic() - started)


def _how_it_ended(run: Run, task: str, code: int, log: Path) -> str:
    if code == -signal.SIGKILL:  # what the kernel does where memory runs out
        return f"{task}: killed by the system, perhaps because memory ran out. {_use_less_memory(run, task)}"
    lines = log.read_text(errors="replace").strip().splitlines() or ["no message"]
    if code == -signal.SIGABRT and any("bad_alloc" in line for line in lines):  # what C++ does where memory runs out
        return _out_of_memory(run, task)
    if code < 0:
        return f"{task}: ended by {signal.Signals(-code).name}; start the command again with --resume. Details: {log}"
    return f"{task}: failed: {lines[-1]}. Details: {log}"


def _out_of_memory(run: Run, task: str) -> str:
    return f"{task}: out of memory. {_use_less_memory(run, task)}"


def _use_less_memory(run: Run, task: str) -> str:
    """How to go on after a task ran out of memory; ``views`` does not work in batches of the user's choice."""
    if task == "views" or run.experiment.batch_size == 1:
        return "Close other programs and start the command again with --resume."
    half = run.experiment.batch_size // 2
    return (
        f"Close other programs and start the command again with --resume, or start another run with --out and"
        f" --batch-size {half}."
    )


def main(folder: str, task: str) -> int:
    """Perform `task` and report its progress on standard output. Returns the exit code, 1 if the task failed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # allocate what is needed, not the whole GPU
    lines, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not mix with the events
    last_step = 0.0

    def report(event: dict[str, Any]) -> None:
        nonlocal last_step
        if event["event"] == "step":
            if time.monotonic() - last_step < 0.1 and event["step"] < event["steps"]:
                return  # ten updates a second are enough
            last_step = time.monotonic()
        print(json.dumps({"task": task, **event}), file=lines, flush=True)

    try:
        from keras_sister.training import tasks

        tasks.perform(Run(Path(folder)), task, report)
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
