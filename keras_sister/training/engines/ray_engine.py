"""Perform the tasks of runs on the machines of a Ray cluster.

Run folder, cache folder, photos, masks and weights must be on storage that all machines share, at the same paths, and
keras-sister must be installed on each. A task of Ray does what the engine of one machine does: it starts a worker
process. Run folder and numbers are therefore the same.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from keras_sister.config import absolute_path
from keras_sister.errors import InputError
from keras_sister.ray_cluster import connect, nodes, reason
from keras_sister.run import Run
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.disk_errors import disk_error
from keras_sister.storage.leftovers import aside_prefix, remove_leftovers
from keras_sister.training.engines.engine import Job, JobError
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

    def open(self) -> "_Tasks":
        """See `keras_sister.training.engines.engine.Engine`."""
        return _Tasks(self)


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
    """The tasks of Ray that are at work; none is left when the context ends."""

    def __init__(self, engine: RayEngine) -> None:
        self._engine = engine
        self._running: dict[Any, Job] = {}
        self._retries: dict[Job, int] = {}
        self._marks: dict[Path, Path] = {}  # of the folders that the tasks at work share
        self._remote: Any = None  # the connection is made when there is something to do

    def __enter__(self) -> "_Tasks":
        return self

    def __exit__(self, *error: object) -> None:
        if self._running:
            import ray

            for generator in self._running:
                ray.cancel(generator, force=True)
            for generator in self._running:
                _wait_for_end(generator)
        for mark in self._marks.values():
            mark.unlink(missing_ok=True)

    @property
    def has_room(self) -> bool:
        """Always: the cluster begins a task when a machine has room for it."""
        return True

    def start(self, job: Job) -> None:
        """Give a task to the cluster."""
        if self._remote is None:
            self._connect()
        folder = absolute_path(job.run.folder)
        marks = [self._mark(shared) for shared in (folder, self._cache)]
        remote = self._remote.options(name=f"{folder.name}/{job.task}")
        versions = installed_versions(job.run.backend)
        self._running[remote.remote(job.task, str(folder), marks, self._environment, versions)] = job

    def wait(self) -> Job:
        """Pass events on until a task has ended. Returns its job."""
        import ray

        while True:
            (generator, *_), _ = ray.wait(list(self._running))
            job = self._running[generator]
            try:
                event = ray.get(next(generator))
            except StopIteration:
                self._end(generator)
                return job
            except ray.exceptions.RayTaskError as error:
                raise JobError(job, InputError(f"{job.task}: {reason(error)}")) from error
            except ray.exceptions.RayError as error:
                lost = f"{job.task}: its worker or its machine was lost ({reason(error)}); continue with --resume."
                self._start_again(generator, lost)
            else:
                self._take(event, generator)

    def _connect(self) -> None:
        engine = self._engine
        if engine.address and engine.address.startswith("ray://"):
            raise InputError(f"{engine.address}: run the command on a machine of the cluster, with its HOST:PORT.")
        connect(engine.address, object_store=_OBJECT_STORE)
        import ray

        resources = resources_of_task(nodes(), engine.gpus_per_fold, engine.cpus_per_fold)
        self._cache = absolute_path(cache_folder())
        self._cache.mkdir(parents=True, exist_ok=True)
        self._environment = _environment(self._cache, resources)
        self._remote = ray.remote(max_retries=0, **resources)(_perform)

    def _mark(self, folder: Path) -> str:
        """A file by which another machine can tell that it sees the same folder."""
        if folder not in self._marks:
            remove_leftovers(folder)
            self._marks[folder] = folder / f"{aside_prefix()}shared"
            self._marks[folder].touch()
        return str(self._marks[folder])

    def _take(self, event: dict[str, Any], generator: Any) -> None:
        job = self._running[generator]
        if event["event"] == "performed":
            record_work(job.run, event["task"], event["seconds"], event["versions"])
        elif event["event"] == "killed":
            self._start_again(generator, event["message"])
        elif event["event"] == "failed":
            raise JobError(job, InputError(event["message"]))
        else:
            job.on_event(event)

    def _start_again(self, generator: Any, message: str) -> None:
        job = self._running.pop(generator)
        self._retries[job] = retry = self._retries.get(job, 0) + 1
        if retry > RETRIES:
            raise JobError(job, InputError(message))
        job.on_event({"task": job.task, "event": "lost", "retry": retry, "retries": RETRIES})
        self.start(job)

    def _end(self, generator: Any) -> None:
        run = self._running.pop(generator).run
        if all(job.run != run for job in self._running.values()):
            self._marks.pop(absolute_path(run.folder)).unlink(missing_ok=True)


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
