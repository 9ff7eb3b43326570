"""Speed of the input pipeline with and without the view store, and of a training step of each system.

python -m benchmarks.training
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.side_by_side import report
from keras_sister import images, models
from keras_sister.data.pipeline import evaluation_batches
from keras_sister.data.view_store import ViewPairs, ViewStore
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import DCSA
from keras_sister.segmentation.networks.fcn8s import fcn8s
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.network import NetworkSegmenter
from keras_sister.street import write_street

PHOTOS, SIZE, BATCH = 96, 96, 16


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        write_street(Path(scratch) / "street", photos=PHOTOS, seed=0)
        photos = sorted((Path(scratch) / "street" / "images").iterdir())
        report("decode and segment every epoch", PHOTOS, _pipelines(photos, Path(scratch)), title="input pipeline")
        report("baseline", PHOTOS, _training_steps(), title="training step")


def _pipelines(photos: list[Path], scratch: Path) -> dict[str, Callable[[], object]]:
    segmenter = NetworkSegmenter(fcn8s(classes=2, width=0.125), size=SIZE)
    preprocessor = Preprocessor(segmenter, size=SIZE)
    store = ViewStore(SIZE, preprocessor.fingerprint, cache=scratch)
    pairs: ViewPairs = store.open(store.fill(photos, preprocessor))

    def decode(path: tf.Tensor) -> tf.Tensor:
        return images.resize(images.decode(tf.io.read_file(path)), SIZE)

    decoded = tf.data.Dataset.from_tensor_slices([str(photo) for photo in photos])
    decoded = decoded.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    segmented = decoded.map(lambda batch: (batch, segmenter(batch))).prefetch(2)
    stored = evaluation_batches(pairs, np.arange(PHOTOS), batch_size=BATCH)
    return {
        "decode and segment every epoch": lambda: list(segmented),
        "decode every epoch": lambda: list(decoded.prefetch(2)),
        "view store": lambda: list(stored),
    }


def _training_steps() -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    channels = {"photo": 3, "segmented": 3, "mask": 1}
    views = {view: rng.integers(0, 256, (PHOTOS, SIZE, SIZE, c)).astype(np.uint8) for view, c in channels.items()}
    labels = rng.integers(0, 2, (PHOTOS, len(DCSA)))

    def epoch_of(system: str) -> Callable[[], object]:
        model = models.build(
            system, DCSA, backbone="resnet_mini", person_backbone="resnet_mini", weights="none", size=SIZE
        )
        model.compile("adam", loss=MaskedAttributeLoss(DCSA))
        inputs = {tensor.name: views[tensor.name] for tensor in model.inputs}
        batches = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(BATCH).cache()
        return lambda: model.fit(batches, shuffle=False, verbose=0)

    return {system: epoch_of(system) for system in ("baseline", "masked", "sister_a", "sister_b", "gate_add")}


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
