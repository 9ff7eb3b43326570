"""What every test stands on: a view store of its own, and small datasets that the tests draw themselves."""

import gc
import signal
from contextlib import ExitStack
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it starts in the background ignore Ctrl-C

from keras_sister.tensorflow_start import start_tensorflow, turn_on_onednn

turn_on_onednn()  # as in workers: before Keras loads TensorFlow, for the same bits
start_tensorflow()  # in half the time
gc.unfreeze()  # Hypothesis looks for referrers

# ruff: noqa: E402
import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw

from keras_sister.data.dcsa import write_labels
from keras_sister.errors import InputError
from keras_sister.run import OnEvent, Run
from keras_sister.schema import DCSA, UNKNOWN
from keras_sister.segmentation.segmenters.selfie import find_weights
from keras_sister.training.engines.engine import Job

pytest_plugins = ["tests.exports", "tests.together"]

COLORS = {"red": (200, 40, 40), "green": (40, 160, 40), "blue": (40, 40, 200), "white": (240, 240, 240)}
"""The colours that the person in a photo of `dataset_folder` wears; the labels of the other attributes are chance."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def tasks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `perform_tasks_here`."""
    perform_tasks_here(monkeypatch)


def perform_tasks_here(patch: pytest.MonkeyPatch) -> None:
    """Runs perform their tasks in this process: starting TensorFlow for each takes longer than most tests train.

    For tests of what a run makes. Some of `tests/cli/test_cv.py`, `tests/training/test_cross_validation.py` and
    `tests/storage/test_disk_errors.py` are about the processes.
    """

    def perform(run: Run, task: str, on_event: OnEvent) -> None:
        from keras_sister.training import tasks
        from keras_sister.training.worker import tasks_in

        policy = keras.config.dtype_policy()
        try:
            for one in tasks_in(task):
                tasks.perform(run, one, lambda event, one=one: on_event({"task": one, **event}))
        finally:
            keras.config.set_dtype_policy(policy)

    class Here(ExitStack):
        """A pool for one job at a time, which is completed when it is started."""

        done: Job | None = None
        has_room = property(lambda self: self.done is None)

        def start(self, job: Job) -> None:
            perform(job.run, job.task, job.on_event)
            self.done = job

        def wait(self) -> Job:
            job, self.done = self.done, None
            return job

    patch.setattr("keras_sister.training.engines.local_engine.LocalEngine.open", lambda self: Here())
    patch.setattr("keras_sister.training.final.perform_in_child", perform)


@pytest.fixture(scope="session")
def selfie_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MediaPipe's file, got as a new user gets it: into an empty cache. Where it cannot be had, tests are skipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("weights")))
        try:
            return find_weights()
        except InputError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 photos in DCSA's layout with masks; read only. A figure in one of four colours stands before noise."""
    folder = tmp_path_factory.mktemp("photos") / "dataset"
    draw_dataset(folder, photos=48)
    return folder


def draw_dataset(folder: Path, photos: int) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, len(attribute.classes), photos) for attribute in DCSA], axis=1).astype(np.int8)
    for i in range(photos):
        color = list(COLORS)[i % len(COLORS)]
        for name in COLORS:
            labels[i, DCSA.names.index(name)] = name == color
        photo, mask = _figure(rng, COLORS[color])
        photo.save(folder / "images" / f"{i + 1:06d}.jpg", quality=90)
        mask.save(folder / "masks" / f"{i + 1:06d}.png")
    labels[rng.random(labels.shape) < 0.1] = UNKNOWN
    write_labels(folder, DCSA, labels)


def _figure(rng: np.random.Generator, color: tuple[int, int, int]) -> tuple[Image.Image, Image.Image]:
    width, height = int(rng.integers(60, 90)), int(rng.integers(90, 120))
    photo = Image.fromarray(rng.integers(60, 200, (12, 8, 3), dtype=np.uint8)).resize((width, height))
    mask = Image.new("L", (width, height))
    middle = int(rng.integers(width // 3, 2 * width // 3))
    body = (middle - width // 4, height // 3, middle + width // 4, height)
    head = (middle - width // 9, height // 8, middle + width // 9, height // 3)
    for image, skin, cloth in ((photo, (220, 180, 150), color), (mask, 255, 255)):
        draw = ImageDraw.Draw(image)
        draw.rectangle(body, fill=cloth)
        draw.ellipse(head, fill=skin)
    return photo, mask
