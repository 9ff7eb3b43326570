"""A catalogue job, and the engines that run it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keras_sister.catalogue.resumable_table import Part
from keras_sister.catalogue.table_formats import Row
from keras_sister.errors import InputError, check_choice
from keras_sister.serving.choices import RUNTIMES

OnPhotos = Callable[[int], None]
"""Called with the number of photos that were completed since the last call."""


@dataclass(frozen=True)
class Job:
    """The settings of a catalogue job.

    Attributes:
        export: folder of one version, or of all versions: the highest is used.
        threshold: minimum probability of a tag, in [0, 1]; None for what the export decides, see
            `keras_sister.catalogue.rows.table_row`.
        runtime: one of `keras_sister.serving.choices.RUNTIMES`.
        batch_size: photos per call of the network.
        trust: see `keras_sister.serving.tagger.Tagger`.

    Raises:
        InputError: for a threshold outside [0, 1], or an unknown runtime.
    """

    export: Path
    threshold: float | None = None
    runtime: str = "tensorflow"
    batch_size: int = 8
    trust: bool = False

    def __post_init__(self) -> None:
        check_choice("runtime", self.runtime, RUNTIMES)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold must be from 0 to 1. Received: {self.threshold}")


class Engine(Protocol):
    """Where a job runs: on this machine or on a cluster.

    Attributes:
        job: the settings.
    """

    job: Job

    def tag(self, parts: Iterable[Part], on_photos: OnPhotos) -> Iterator[tuple[Part, list[Row]]]:
        """Tag parts. Reads only a few parts ahead of those that are completed.

        Args:
            parts: any number of parts.
            on_photos: called for completed photos.

        Yields:
            Each part once, in any order, with one row per photo in the order of its photos; see
            `keras_sister.catalogue.rows.table_row`. With `Part.sizes` one row per product, see
            `keras_sister.catalogue.products.product_row`.
        """
