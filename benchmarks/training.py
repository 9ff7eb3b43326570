"""How much a view store saves, and what looking twice costs: ratios, measured side by side in one run.

python -m benchmarks.training
"""

import datetime
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import keras
import numpy as np
import tensorflow as tf

from keras_sister import images, models
from keras_sister.data.pipeline import evaluation_batches
from keras_sister.data.street import write
from keras_sister.data.views import Views, ViewStore
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import DCSA
from keras_sister.segmentation.fcn8s import fcn8s
from keras_sister.segmentation.fcn_folder import FcnSegmenter

PHOTOS, SIZE, BATCH, ROUNDS = 96, 96, 16, 11


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch) / "street", photos=PHOTOS, seed=0)
        photos = sorted((Path(scratch) / "street" / "images").iterdir())
        print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}\n")
        _report("Photos a second into a batch", "decode and segment every epoch", _reading(photos, Path(scratch)))
        _report("Photos a second through a training step", "baseline", _training())


def _reading(photos: list[Path], scratch: Path) -> dict[str, Callable[[], object]]:
    segmenter = FcnSegmenter(fcn8s(classes=2, width=0.125), size=SIZE)
    store = ViewStore(SIZE, segmenter.fingerprint, cache=scratch)
    views: Views = store.open(store.fill(photos, segmenter))
    labels = np.zeros((PHOTOS, len(DCSA)), np.int8)

    def decode(path: tf.Tensor) -> tf.Tensor:
        return images.resize(images.decode(tf.io.read_file(path)), SIZE)

    decoded = tf.data.Dataset.from_tensor_slices([str(photo) for photo in photos])
    decoded = decoded.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    segmented = decoded.map(lambda batch: (batch, segmenter(batch))).prefetch(2)
    stored = evaluation_batches(views, labels, np.arange(PHOTOS), batch=BATCH)
    return {
        "decode and segment every epoch": lambda: list(segmented),
        "decode every epoch": lambda: list(decoded.prefetch(2)),
        "view store": lambda: list(stored),
    }


def _training() -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    views = {view: rng.integers(0, 256, (PHOTOS, SIZE, SIZE, 3)).astype(np.uint8) for view in ("photo", "segmented")}
    labels = rng.integers(0, 2, (PHOTOS, len(DCSA)))

    def epoch_of(system: str) -> Callable[[], object]:
        model = models.build(system, DCSA, backbone="resnet_mini", small="resnet_mini", weights="none", size=SIZE)
        model.compile("adam", loss=MaskedAttributeLoss(DCSA))
        seen = {tensor.name: views[tensor.name] for tensor in model.inputs}
        batches = tf.data.Dataset.from_tensor_slices((seen, labels)).batch(BATCH).cache()
        return lambda: model.fit(batches, shuffle=False, verbose=0)

    return {system: epoch_of(system) for system in ("baseline", "sister_a", "sister_b", "gate_add")}


def _report(title: str, reference: str, ways: dict[str, Callable[[], object]]) -> None:
    """Time every way in turn, round after round, so that a slow moment of the machine hits all of them."""
    for way in ways.values():
        way()  # traces graphs
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    ratios = {name: median(a / b for a, b in zip(seconds[reference], seconds[name], strict=True)) for name in ways}
    print(f"| {title} | | of {reference} |\n|---|---|---|")
    for name in ways:
        print(f"| {name} | {PHOTOS / median(seconds[name]):,.0f} | {ratios[name]:.2f} × |")
    print()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
