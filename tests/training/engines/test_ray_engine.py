"""Folds and runs on a Ray cluster of this machine: real Ray, real workers, which are really killed."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.ray_cluster import connect
from keras_sister.run import Run
from keras_sister.training.cross_validation import cross_validate, cross_validate_several
from keras_sister.training.engines import ray_engine
from keras_sister.training.engines.ray_engine import RayEngine, resources_of_task
from keras_sister.training.work_record import installed_versions

from ...conftest import perform_tasks_here


@pytest.fixture(scope="module")
def experiment(tiny: str) -> Experiment:
    return Experiment(
        system="baseline",
        backbone=tiny,
        batch_norm="train",
        size=32,
        folds=2,
        epochs=5,
        batch_size=8,
        learning_rate=2e-3,
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """The one session of the slow tests; engines that are given no address use it."""
    yield
    import ray

    with pytest.raises(InputError, match="connected to another Ray cluster already"):
        connect("192.0.2.1:6379")
    ray.shutdown()


@pytest.fixture(scope="module")
def experiments(experiment, dataset_folder) -> dict[str, Experiment]:
    """Two systems, with two seeds: the folds of one have processes of their own, those of the other share one."""
    other = {"system": "segmented", "segmenter": f"masks:{dataset_folder / 'masks'}", "trainable": "head"}
    return {"baseline": experiment, "segmented": replace(experiment, **other, seed=1, epochs=1)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def local(dataset_folder, experiments, cache, tmp_path_factory) -> dict[str, Run]:
    """The runs that one machine made, each by a call of its own; in this process, to the bits of workers."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(cache))
        perform_tasks_here(patch)
        for name, experiment in experiments.items():
            cross_validate(load_dcsa(dataset_folder), experiment, out / name)
    return {name: Run(out / name) for name in experiments}


@pytest.fixture
def made_views(local, cache) -> None:
    """The views of `local` are in the cache: workers find them made."""
    shutil.copytree(cache / "views", Path(os.environ["KERAS_SISTER_CACHE"]) / "views")


def outcome(run: Run) -> dict[str, bytes]:
    """The bytes of all that does not depend on where and when it was made."""
    timeless = ("dataset.json", "config.yaml", "schema.json", "folds.json", "views.json", "summary.json")
    folds = [f"fold-{fold:02d}/{name}" for fold in range(2) for name in ("predictions.npz", "history.json")]
    return {name: (run.folder / name).read_bytes() for name in (*timeless, *folds)}


def files(run: Run) -> set[str]:
    return {str(file.relative_to(run.folder)) for file in run.folder.rglob("*")}


def of_workers(*tasks: str) -> set[str]:
    """The files that tell of the processes that made a run."""
    return {"work.json", "logs", *(f"logs/{task}.txt" for task in tasks)}


def workers(run: Run) -> dict[str, int]:
    """The process ids of the workers of a run that still run, by task."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if os.fsencode(run.folder) in words:
            found[words[words.index(os.fsencode(run.folder)) + 1].decode()] = int(file.parent.name)
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_epoch(event: dict[str, Any], task: str) -> bool:
    return event["event"] == "epoch" and event["task"] == task and event["epoch"] == 1


@pytest.mark.parametrize(
    ("machines", "given", "expected"),
    [
        ([{"CPU": 2.0}], {}, (0, 2)),
        ([{"CPU": 8.0}, {"CPU": 4.0}, {"CPU": 0.0}], {}, (0, 4)),  # a fold fits on each that has CPUs
        ([{"CPU": 16.0, "GPU": 1.0}], {}, (1, 16)),
        ([{"CPU": 16.0, "GPU": 1.0}], {"gpus_per_fold": 0.5}, (0.5, 8)),
        ([{"CPU": 32.0, "GPU": 4.0}, {"CPU": 64.0}], {"gpus_per_fold": 0.5}, (0.5, 4)),
        ([{"CPU": 32.0, "GPU": 4.0}], {"gpus_per_fold": 0.25, "cpus_per_fold": 1}, (0.25, 1)),
        ([{"CPU": 2.0, "GPU": 4.0}], {}, (1, 1)),
        ([{"CPU": 16.0, "GPU": 1.0}], {"gpus_per_fold": 0.0}, (0, 16)),
    ],
)
def test_what_a_fold_takes_of_a_machine(machines, given, expected):
    assert tuple(resources_of_task(machines, **given).values()) == expected


@pytest.mark.parametrize(
    ("machines", "given", "message"),
    [
        ([{"CPU": 2.0}], {"gpus_per_fold": 0.5}, "--gpus-per-fold 0.5: no machine of the Ray cluster has a GPU"),
        ([{"CPU": 2.0}], {"cpus_per_fold": 3}, "--cpus-per-fold 3: no machine"),
        ([{"CPU": 0.0}], {}, "no machine with a CPU"),
        ([], {}, "no machine with a CPU"),
    ],
)
def test_what_no_machine_has_is_refused(machines, given, message):
    with pytest.raises(InputError, match=message):
        resources_of_task(machines, **given)


def ended(run: Path, marks: list[str], versions: dict[str, str]) -> dict[str, Any]:
    """What a machine of the cluster says that cannot perform a task."""
    (event,) = ray_engine._perform("views", str(run), marks, {}, versions)
    assert event["event"] == "failed"
    return event["message"]


def test_a_machine_without_the_shared_folders_is_named(tmp_path):
    mark = tmp_path / "cache" / "mark"
    message = ended(tmp_path, [str(mark)], installed_versions())
    assert f"{mark.parent}: not shared with machine {os.uname().nodename}" in message
    assert "KERAS_SISTER_CACHE" in message


def test_a_machine_with_other_versions_is_named(tmp_path):
    message = ended(tmp_path, [], installed_versions() | {"tensorflow": "2.0.0"})
    assert f"tensorflow {installed_versions()['tensorflow']}, but this machine has 2.0.0" in message


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: no Ray cluster is reachable there"),
        ("somewhere", "somewhere: not a valid address of a Ray cluster; give HOST:PORT, or auto"),
        ("ray://127.0.0.1:10001", "run the command on a machine of the cluster"),
    ],
)
def test_an_address_without_a_cluster_is_named(experiment, dataset_folder, tmp_path, address, message):
    with pytest.raises(InputError, match=message):
        cross_validate(load_dcsa(dataset_folder), experiment, tmp_path / "run", engine=RayEngine(address))


@pytest.mark.slow
def test_workers_are_killed_and_the_runs_are_those_of_one_machine(
    experiment, dataset_folder, cluster, experiments, local, tmp_path
):
    """The worker of one fold is killed, and the process of Ray that started the worker of the other; one run of two."""
    run, told, others = Run(tmp_path / "baseline"), [], []

    def kill(event: dict[str, Any]) -> None:
        told.append(event)
        for task, victim in {"fold-00": lambda pid: pid, "fold-01": parent}.items():
            if is_epoch(event, task) and not any(e["event"] == "lost" and e["task"] == task for e in told):
                os.kill(victim(workers(run)[task]), signal.SIGKILL)

    summaries = cross_validate_several(
        load_dcsa(dataset_folder),
        {tmp_path / name: experiment for name, experiment in experiments.items()},
        engine=RayEngine(),
        on_run=lambda folder: nullcontext(kill if folder == run.folder else others.append),
    )
    lost = [event for event in told if event["event"] == "lost"]
    assert sorted(event["task"] for event in lost) == ["fold-00", "fold-01"]
    for event in lost:  # it continues after the last epoch that was kept
        after = [e for e in told[told.index(event) :] if e["event"] == "epoch" and e["task"] == event["task"]]
        assert after[0]["epoch"] >= 1
        assert after[-1]["epoch"] == experiment.epochs - 1
    assert not any(event["event"] == "lost" for event in others)
    for events in (told, others):
        assert sorted(event["fold"] for event in events if event["event"] == "done") == [0, 1]
    started = {"baseline": ("views", "fold-00", "fold-01"), "segmented": ("views+heads",)}
    for name, alone in local.items():
        made = Run(tmp_path / name)
        assert summaries[made.folder] == alone.read("summary.json")
        assert outcome(made) == outcome(alone)
        assert files(made) == files(alone) | of_workers(*started[name])
        performed = "+".join(started[name]).split("+")
        assert [entry["versions"] for entry in made.read("work.json")] == [installed_versions()] * len(performed)


@pytest.mark.slow
def test_the_heads_of_all_folds_train_on_a_cluster_though_their_worker_is_killed(
    dataset_folder, cluster, experiments, local, made_views, tmp_path
):
    run, killed = Run(tmp_path / "run"), []

    def kill(event: dict[str, Any]) -> None:
        if event.get("what") == "features" and event["done"] and not killed:
            killed.append(workers(run)["views+heads"])
            os.kill(killed[0], signal.SIGKILL)

    cross_validate(load_dcsa(dataset_folder), experiments["segmented"], run.folder, engine=RayEngine(), on_event=kill)
    assert killed
    assert outcome(run) == outcome(local["segmented"])
    assert [entry["task"] for entry in run.read("work.json")] == ["views", "views", "heads"]  # of the next worker too


@pytest.mark.slow
def test_interrupted_they_leave_no_process_and_the_other_engine_continues(
    dataset_folder, cluster, experiments, local, made_views, tmp_path, monkeypatch
):
    runs, dataset = {tmp_path / name: experiment for name, experiment in experiments.items()}, load_dcsa(dataset_folder)
    run = Run(tmp_path / "baseline")

    def interrupt(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 1:
            assert workers(run)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate_several(dataset, runs, engine=RayEngine(), on_run=lambda folder: nullcontext(interrupt))
    ends = time.monotonic() + 30
    while any(workers(Run(folder)) for folder in runs) and time.monotonic() < ends:
        time.sleep(0.1)
    for folder in runs:
        assert workers(Run(folder)) == {}
        assert not list(folder.glob(".keras-sister-*"))
    perform_tasks_here(monkeypatch)
    cross_validate_several(dataset, runs, resume=True)
    for name, alone in local.items():
        assert outcome(Run(tmp_path / name)) == outcome(alone)


@pytest.mark.slow
def test_errors_of_workers_are_those_of_one_machine(experiment, dataset_folder, cluster, tmp_path, monkeypatch):
    broken = tmp_path / "000001.jpg"
    broken.write_bytes(b"GIF89a")
    dataset = load_dcsa(dataset_folder)
    dataset = replace(dataset, photos=(broken, *dataset.photos[1:]))
    with pytest.raises(InputError, match=r"(?s)000001\.jpg.*GIF.*--on-error skip"):
        cross_validate(dataset, experiment, tmp_path / "run", engine=RayEngine())
    monkeypatch.setattr(ray_engine, "RETRIES", 0)
    run, killed = Run(tmp_path / "killed"), Event()

    def kill() -> None:
        """As soon as there is one: TensorFlow need not be loaded for that."""
        while not killed.wait(0.1):
            if "views" in (found := workers(run)):
                os.kill(found["views"], signal.SIGKILL)
                killed.set()

    killer = Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(InputError, match=r"views: killed by the system, .* --resume\. \(on "):
            cross_validate(load_dcsa(dataset_folder), experiment, run.folder, engine=RayEngine())
        assert killed.is_set()
    finally:
        killed.set()
        killer.join()
