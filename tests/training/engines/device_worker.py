"""In place of the worker: ``python -m tests.training.engines.device_worker RUN TASK`` reports the GPU that it sees.

Of a chain of tasks, it performs one after the other; ``die`` and ``end badly`` end it by a signal.

The file ``gpus`` in the run folder says how many GPUs there are. A fold waits until as many folds have begun; ``hang``
waits for ever, and ``fail`` reports an error when it does. ``until RUN TASK`` waits until that task of a run beside
this one has begun.
"""

import json
import os
import sys
import time
from pathlib import Path

from keras_sister.storage.atomic import write_atomically


def main(folder: Path, task: str) -> None:
    if task == "die":
        os.abort()

    def tell(**event: object) -> None:
        print(json.dumps({"task": task, **event}), flush=True)

    gpus = int((folder / "gpus").read_text())
    device = os.environ.get("CUDA_VISIBLE_DEVICES")
    tell(event="device", device=device)
    # Whole at once: who waits for the file to exist reads the number next.
    write_atomically(folder / f"{task}.pid", lambda file: file.write_text(str(os.getpid())))
    if task.startswith("fold-"):
        (folder / f"taken-{device}").touch(exist_ok=False)  # nobody else has this GPU now
        while len(list(folder.glob("fold-*.pid"))) < gpus:
            time.sleep(0.01)
        (folder / f"taken-{device}").unlink()
    if task == "fail":
        while not (folder / "hang.pid").exists():
            time.sleep(0.01)
        tell(event="error", message="no label is known")
        sys.exit(1)
    if task.startswith("until "):
        _, other, awaited = task.split()
        ends = time.monotonic() + 60
        while not (folder.parent / other / f"{awaited}.pid").exists():
            if time.monotonic() > ends:
                tell(event="error", message=f"{awaited} of {other} has not begun")
                sys.exit(1)
            time.sleep(0.01)
    if task == "hang":
        time.sleep(600)
    tell(event="performed", gpus=gpus)
    if task == "end badly":
        os.abort()


if __name__ == "__main__":
    for one in sys.argv[2].split("+"):  # `tasks_in`, whose module takes four times as long to import as all else here
        main(Path(sys.argv[1]), one)
