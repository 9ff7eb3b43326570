"""Run a catalogue job on a Ray cluster.

The export and the photos must have the same paths on every machine. The table is written by the process that starts the
job.
"""

import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_sister.catalogue.job import Job, OnPhotos
from keras_sister.catalogue.resumable_table import Part
from keras_sister.catalogue.table_formats import Row
from keras_sister.errors import InputError
from keras_sister.extras import missing_extra
from keras_sister.ray_cluster import connect, nodes, reason
from keras_sister.serving.export_folder import newest_version
from keras_sister.tensorflow_start import start_tensorflow

_PARTS = 1_000  # parts per Ray Dataset, half a million photos; each loads the export again
_CPUS = 8  # per actor; one network gains little from more


class RayEngine:
    """Tags parts in actors, one per GPU, or without GPUs one per up to 8 CPUs; see `keras_sister.catalogue.job.Engine`.

    Args:
        job: the settings.
        address: of the cluster, see `keras_sister.ray_cluster.connect`; None starts one of this machine.

    Raises:
        InputError: if the export cannot be loaded, Ray is not installed, or the cluster is not reachable.
    """

    def __init__(self, job: Job, address: str | None = None) -> None:
        from keras_sister.serving.tagger import Tagger  # TensorFlow, which an actor starts first

        self.job = replace(job, export=newest_version(job.export).resolve())
        Tagger(self.job.export, runtime=job.runtime, trust=job.trust)  # reports errors once, not in every actor
        _connect(address)

    def tag(self, parts: Iterable[Part], on_photos: OnPhotos) -> Iterator[tuple[Part, list[Row]]]:
        """See `keras_sister.catalogue.job.Engine`. Parts come in the order in which they are completed."""
        import ray

        iterator = iter(parts)
        while some := {part.number: part for part in itertools.islice(iterator, _PARTS)}:
            try:
                for tagged in self._dataset(some.values()).iter_rows():
                    part, rows = some[tagged["number"]], json.loads(tagged["rows"])
                    on_photos(len(part.photos))
                    yield part, rows
            except ray.exceptions.RayError as error:
                raise InputError(f"Ray: {reason(error)}") from error

    def _dataset(self, parts: Iterable[Part]) -> Any:
        import ray.data

        here = Path.cwd()  # not os.path.abspath, which resolves ".." without following links
        # As JSON, because Arrow does not accept paths that are not UTF-8.
        items = [
            {
                "number": part.number,
                "photos": json.dumps([str(here / photo) for photo in part.photos]),
                "sizes": json.dumps(part.sizes),
            }
            for part in parts
        ]
        resources, most = _shares(nodes())
        return ray.data.from_items(items, override_num_blocks=len(items)).map(
            _Actor,
            fn_constructor_args=(self.job, int(resources.get("num_cpus", 0))),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(items))),
            **resources,
        )


class _Actor:
    """A process of the cluster that tags parts."""

    def __init__(self, job: Job, threads: int) -> None:
        start_tensorflow()  # in half the time
        import tensorflow as tf

        from keras_sister.catalogue.local_engine import LocalEngine

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        self._engine = LocalEngine(job)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        part = Part(item["number"], json.loads(item["photos"]), json.loads(item["sizes"]))
        ((_, rows),) = self._engine.tag([part], lambda photos: None)
        return {"number": part.number, "rows": json.dumps(rows)}


def _connect(address: str | None) -> None:
    connect(address)
    try:
        import ray.data
    except ImportError as error:
        raise missing_extra("Engine ray needs Ray Data", "ray") from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # failures are raised as well
    ray.data.DataContext.get_current().enable_progress_bars = False


def _shares(machines: list[dict[str, float]]) -> tuple[dict[str, float], int]:
    """Resources of an actor, and the largest number of actors."""
    gpus = sum(machine.get("GPU", 0) for machine in machines)
    if gpus:
        return {"num_gpus": 1}, int(gpus)
    cpus = [int(machine["CPU"]) for machine in machines if machine.get("CPU", 0) >= 1]
    share = min(_CPUS, *cpus) if cpus else 1
    return {"num_cpus": share}, max(1, sum(each // share for each in cpus))
