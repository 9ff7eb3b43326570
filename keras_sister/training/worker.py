"""One task of a run in a process of its own: ``python -m keras_sister.training.worker RUN TASK``.

A process a task gives all its memory back when it ends, on the GPU too. The worker reads what it needs from the run
folder and tells of its progress in JSON lines on standard output. It ends with the process that started it, however
that ended: its standard input is a pipe on which nothing is ever said, but which closes then.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from keras_sister.errors import InputError
from keras_sister.training.run import OnEvent, Run


def perform_in_child(run: Run, task: str, on_event: OnEvent) -> None:
    """Do one task of a run in a child process.

    Args:
        run: see `keras_sister.training.tasks.perform`.
        task: likewise.
        on_event: told of progress, in dicts with the keys ``task`` and ``event``.

    Raises:
        InputError: the child's own, or one that names its log if it died otherwise.
    """
    log = run.folder / "logs" / f"{task}.txt"
    log.parent.mkdir(exist_ok=True)
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
                on_event(event)
            child.wait()
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise InputError(f"{task} ended with exit code {child.returncode}; {log} holds what it said.")


def main(folder: str, task: str) -> int:
    """Perform `task` and tell of it on standard output; the exit code is 1 if it failed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # take what is needed, not the whole GPU
    lines, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not mix with the events
    last_step = 0.0

    def tell(event: dict[str, Any]) -> None:
        nonlocal last_step
        if event["event"] == "step":
            if time.monotonic() - last_step < 0.1 and event["step"] < event["steps"]:
                return  # nobody can read more than ten steps a second
            last_step = time.monotonic()
        print(json.dumps({"task": task, **event}), file=lines, flush=True)

    try:
        from keras_sister.training import tasks

        tasks.perform(Run(Path(folder)), task, tell)
    except InputError as error:
        tell({"event": "error", "message": str(error)})
        return 1
    except (BrokenPipeError, KeyboardInterrupt):
        return 1
    return 0


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
