"""Tag the parts of a catalogue on a cluster, by Ray Data.

The export and the photos must lie at the same paths on every machine; the table is written by the one that asks.
"""

import itertools
import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.serving.catalogue import Job, OnPhotos
from keras_sister.serving.export_folder import newest_version
from keras_sister.serving.local_engine import LocalEngine
from keras_sister.serving.tag_files import Row
from keras_sister.serving.tag_rows import readable
from keras_sister.serving.tag_table import Part
from keras_sister.serving.tagger import Tagger

_PARTS = 1_000  # in one Ray Dataset, half a million photos; after each its actors load the export anew
_CPUS = 8  # an actor; more of them do little for one network


class RayEngine:
    """Tags parts in actors, one a GPU or, where there is none, one for up to 8 CPUs.

    The cluster is that of ``RAY_ADDRESS``, ``auto`` for the one that runs on this machine, or one of this machine alone
    that is started, and listens on loopback. See `keras_sister.serving.catalogue.Engine`.

    Args:
        job: what to do.

    Raises:
        InputError: if there is no export that loads, Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, job: Job) -> None:
        self.job = replace(job, export=newest_version(job.export).resolve())
        Tagger(self.job.export, runtime=job.runtime)  # what is wrong with it is said here, not by every actor
        _join_a_cluster()

    def tag(self, parts: Iterable[Part], on_photos: OnPhotos) -> Iterator[tuple[Part, list[Row]]]:
        """Tag parts, as they come back."""
        import ray

        iterator = iter(parts)
        while some := {part.number: part for part in itertools.islice(iterator, _PARTS)}:
            try:
                for tagged in self._dataset(some.values()).iter_rows():
                    part, rows = some[tagged["number"]], json.loads(tagged["rows"])
                    on_photos(len(rows))
                    names = map(readable, part.photos)
                    yield part, [{**row, "photo": name} for name, row in zip(names, rows, strict=True)]
            except ray.exceptions.RayError as error:
                raise InputError(f"Ray: {_reason(error)}") from error

    def _dataset(self, parts: Iterable[Part]) -> Any:
        import ray.data

        here = Path.cwd()  # not os.path.abspath, to which a link's ".." is the link's folder
        # As JSON, since Arrow takes no path with bytes that are no UTF-8.
        asked = [
            {"number": part.number, "photos": json.dumps([str(here / photo) for photo in part.photos])}
            for part in parts
        ]
        resources, most = _shares(ray.nodes())
        return ray.data.from_items(asked, override_num_blocks=len(asked)).map(
            _Actor,
            fn_constructor_args=(self.job, int(resources.get("num_cpus", 0))),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(asked))),
            **resources,
        )


class _Actor:
    """A process that tags parts."""

    def __init__(self, job: Job, threads: int) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        self._engine = LocalEngine(job)

    def __call__(self, asked: dict[str, Any]) -> dict[str, Any]:
        part = Part(asked["number"], json.loads(asked["photos"]))
        ((_, rows),) = self._engine.tag([part], lambda photos: None)
        return {"number": part.number, "rows": json.dumps(rows)}


def _join_a_cluster() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of how Ray Data itself makes its actors
    try:
        import ray.data
    except ImportError as error:
        raise InputError("--engine ray needs Ray: pip install 'keras-sister[ray]'.") from error
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        try:
            _knock(address)
            ray.init(address, ignore_reinit_error=True, **quiet)
        except OSError as error:
            raise InputError(
                f"RAY_ADDRESS={address}: no Ray cluster answers there, or it asks for a token (RAY_AUTH_MODE=token)."
            ) from error
    else:  # not "auto", which joins whatever cluster runs here, another job's of this kind too
        ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised too
    ray.data.DataContext.get_current().enable_progress_bars = False


def _knock(address: str) -> None:
    """Try a host and port, since Ray itself tries for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _shares(nodes: list[dict[str, Any]]) -> tuple[dict[str, float], int]:
    """What an actor gets, and how many there may be."""
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(node.get("GPU", 0) for node in resources)
    if gpus:
        return {"num_gpus": 1}, int(gpus)
    cpus = [int(node["CPU"]) for node in resources if node.get("CPU", 0) >= 1]
    share = min(_CPUS, *cpus) if cpus else 1
    return {"num_cpus": share}, max(1, sum(each // share for each in cpus))


def _reason(error: Exception) -> str:
    """The last line of what a worker says, after its traceback."""
    return str(error).strip().splitlines()[-1].rpartition("InputError: ")[2]
