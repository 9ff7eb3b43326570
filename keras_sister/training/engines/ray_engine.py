"""Perform the tasks of a run on the machines of a Ray cluster.

Run folder, cache folder, photos, masks and weights must be on storage that all machines share, at the same paths, and
keras-sister must be installed on each. A task of Ray does what the engine of one machine does: it starts a worker
process. Run folder and numbers are therefore the same.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from keras_sister.config import absolute_path
from keras_sister.errors import InputError
from keras_sister.ray_cluster import connect, nodes, reason
from keras_sister.run import OnEvent, Run
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.disk_errors import disk_error
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers
from keras_sister.training.engines.engine import OnDone, ignore_task
from keras_sister.training.work_record import installed_versions, record_work
from keras_sister.training.worker import TaskProcess, WorkerKilledError

RETRIES = 3
"""How often a task is started again after the loss of its worker or its machine."""

_OBJECT_STORE = 100 * 2**20  # bytes; Ray passes on events only
_FORWARDED = ("KERAS_", "TF_", "JAX_", "XLA_", "OMP_NUM_THREADS")  # variables on which numbers may depend
_CHECKOUT = Path(__file__).parents[3]


class RayEngine:
    """Performs tasks on a Ray cluster; see `keras_sister.training.engines.engine.Engine`.

    A task whose worker or machine is lost is started again, up to `RETRIES` times, and continues from the last epoch.

    Args:
        address: of the cluster, see `keras_sister.ray_cluster.connect`; None starts one of this machine. The connection
            is made when the first task is performed.
        gpus_per_fold: share of a GPU that a task takes, from 0 to 1: with 0.5 two folds are trained on one GPU. By
            default 1, or 0 if the cluster has no GPU.
        cpus_per_fold: CPUs of a task. By default as many as go with its share of a GPU, or without GPUs all of the
            smallest machine. Numbers equal those of one machine to the last bit only with as many CPUs.

    Raises:
        InputError: when a task is performed: if Ray is not installed, the cluster is not reachable, no machine has what
            a task takes, a machine has other versions or no access to the shared folders, or a task fails.

    Example:
        >>> cross_validate(dataset, experiment, "runs/sister_a", engine=RayEngine("10.0.0.1:6379", gpus_per_fold=0.5))
    """

    def __init__(
        self, address: str | None = None, *, gpus_per_fold: float | None = None, cpus_per_fold: int | None = None
    ) -> None:
        self.address, self.gpus_per_fold, self.cpus_per_fold = address, gpus_per_fold, cpus_per_fold

    def perform(self, run: Run, tasks: Sequence[str], on_event: OnEvent, on_done: OnDone = ignore_task) -> None:
        """See `keras_sister.training.engines.engine.Engine`."""
        if not tasks:
            return
        if self.address and self.address.startswith("ray://"):
            raise InputError(f"{self.address}: run the command on a machine of the cluster, with its HOST:PORT.")
        connect(self.address, object_store=_OBJECT_STORE)
        cache = absolute_path(cache_folder())
        cache.mkdir(parents=True, exist_ok=True)
        folder = absolute_path(run.folder)
        with ExitStack() as stack:
            marks = [stack.enter_context(_mark(shared)) for shared in (folder, cache)]
            resources = resources_of_task(nodes(), self.gpus_per_fold, self.cpus_per_fold)
            environment = _environment(cache, resources)
            given = (str(folder), marks, environment, installed_versions(run.backend))
            with _Tasks(run, resources, given) as running:
                for task in tasks:
                    running.start(task)
                running.wait(on_event, on_done)


def resources_of_task(
    machines: Sequence[Mapping[str, float]], gpus_per_fold: float | None = None, cpus_per_fold: int | None = None
) -> dict[str, float]:
    """What a task takes of a machine.

    Args:
        machines: the resources of each machine, see `keras_sister.ray_cluster.nodes`.
        gpus_per_fold, cpus_per_fold: see `RayEngine`.

    Returns:
        ``num_gpus`` and ``num_cpus``.

    Raises:
        InputError: if no machine has as much.

    Example:
        >>> resources_of_task([{"CPU": 16, "GPU": 2}], gpus_per_fold=0.5)
        {'num_gpus': 0.5, 'num_cpus': 4}
    """
    most = max((machine.get("GPU", 0) for machine in machines), default=0)
    gpus = min(1.0, most) if gpus_per_fold is None else gpus_per_fold
    if gpus > most:
        raise InputError(f"--gpus-per-fold {gpus:g}: no machine of the Ray cluster has a GPU.")
    suitable = [machine for machine in machines if machine.get("GPU", 0) >= gpus and machine.get("CPU", 0) >= 1]
    if not suitable:
        raise InputError("The Ray cluster has no machine with a CPU for a fold; start one with 'ray start --address'.")
    shares = [machine["CPU"] * (gpus / machine["GPU"] if gpus else 1) for machine in suitable]
    cpus = max(1, int(min(shares))) if cpus_per_fold is None else cpus_per_fold
    if cpus > max(machine["CPU"] for machine in suitable):
        raise InputError(f"--cpus-per-fold {cpus}: no machine of the Ray cluster has as many CPUs for a fold.")
    return {"num_gpus": gpus, "num_cpus": cpus}


class _Tasks:
    """The tasks of Ray that are at work for one run; none is left when the context ends."""

    def __init__(self, run: Run, resources: Mapping[str, float], given: tuple[Any, ...]) -> None:
        import ray

        self.run, self.given = run, given
        self._remote = ray.remote(max_retries=0, **resources)(_perform)
        self._running: dict[Any, str] = {}
        self._retries: dict[str, int] = {}

    def __enter__(self) -> "_Tasks":
        return self

    def __exit__(self, *error: object) -> None:
        import ray

        for generator in self._running:
            ray.cancel(generator, force=True)
        for generator in self._running:
            _wait_for_end(generator)

    def start(self, task: str) -> None:
        """Give a task to the cluster, which begins it when a machine has room for it."""
        self._running[self._remote.options(name=task).remote(task, *self.given)] = task

    def wait(self, on_event: OnEvent, on_done: OnDone) -> None:
        """Pass events on until all tasks have ended."""
        import ray

        while self._running:
            (generator, *_), _ = ray.wait(list(self._running))
            task = self._running[generator]
            try:
                event = ray.get(next(generator))
            except StopIteration:
                del self._running[generator]
                on_done(task)
            except ray.exceptions.RayTaskError as error:
                raise InputError(f"{task}: {reason(error)}") from error
            except ray.exceptions.RayError as error:
                message = f"{task}: its worker or its machine was lost ({reason(error)}); continue with --resume."
                self._start_again(generator, message, on_event)
            else:
                self._take(event, generator, on_event)

    def _take(self, event: dict[str, Any], generator: Any, on_event: OnEvent) -> None:
        if event["event"] == "performed":
            record_work(self.run, event["task"], event["seconds"], event["versions"])
        elif event["event"] == "killed":
            self._start_again(generator, event["message"], on_event)
        elif event["event"] == "failed":
            raise InputError(event["message"])
        else:
            on_event(event)

    def _start_again(self, generator: Any, message: str, on_event: OnEvent) -> None:
        task = self._running.pop(generator)
        self._retries[task] = retry = self._retries.get(task, 0) + 1
        if retry > RETRIES:
            raise InputError(message)
        on_event({"task": task, "event": "lost", "retry": retry, "retries": RETRIES})
        self.start(task)


def _wait_for_end(generator: Any) -> None:
    import ray

    try:
        for event in generator:
            ray.get(event)
    except ray.exceptions.RayError:  # it was cancelled
        return


def _perform(
    task: str, folder: str, marks: Sequence[str], environment: Mapping[str, str], versions: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Perform a task on a machine of the cluster; yields its events, and at the end why it failed, if it did."""
    here, run = socket.gethostname(), Run(Path(folder))
    own = installed_versions(run.backend)
    try:
        _check_machine(here, marks, own, versions)
        process = TaskProcess(run, task, environment)
        with closing(process.events()) as events:
            for event in events:
                yield event | {"versions": own} if event["event"] == "performed" else event
    except WorkerKilledError as error:
        yield {"task": task, "event": "killed", "message": f"{error} (on {here})"}
    except InputError as error:
        yield {"task": task, "event": "failed", "message": str(error)}
    except OSError as error:
        yield {"task": task, "event": "failed", "message": f"{here}: {disk_error(error)}"}


def _check_machine(here: str, marks: Sequence[str], own: Mapping[str, str], versions: Mapping[str, str]) -> None:
    for mark in marks:
        if not Path(mark).exists():
            raise InputError(
                f"{Path(mark).parent}: not shared with machine {here} of the Ray cluster; run folder and cache"
                " (KERAS_SISTER_CACHE) must be on storage that all machines share."
            )
    for package, version in own.items():
        if package != "python" and version != versions.get(package, version):
            raise InputError(
                f"{here} has {package} {version}, but this machine has {versions[package]}: the machines of a cluster"
                " need the same versions."
            )


def _environment(cache: Path, resources: Mapping[str, float]) -> dict[str, str]:
    """The variables of a worker process: those of this process that numbers depend on, its cache and its threads."""
    threads = str(int(resources["num_cpus"]))
    found = {"OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads}
    found |= {name: value for name, value in os.environ.items() if name.startswith(_FORWARDED)}
    found["KERAS_SISTER_CACHE"] = str(cache)
    if not resources["num_gpus"]:
        found["CUDA_VISIBLE_DEVICES"] = "-1"
    if (_CHECKOUT / "pyproject.toml").is_file():  # else the package is found where it is installed
        found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_CHECKOUT), os.environ.get("PYTHONPATH")]))
    return found


@contextmanager
def _mark(folder: Path) -> Iterator[str]:
    """A file by which another machine can tell that it sees the same folder."""
    remove_leftovers(folder)
    mark = folder / f"{aside_prefix()}shared"
    try:
        mark.touch()
        yield str(mark)
    finally:
        mark.unlink(missing_ok=True)
