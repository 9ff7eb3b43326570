"""Speed of the segmenters: alone, compared with the LiteRT interpreter, and while the view store is filled.

python -m benchmarks.segmenters
"""

import os
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.side_by_side import report
from keras_sister.data.view_store import ViewStore
from keras_sister.segmentation.networks.deeplab import deeplab
from keras_sister.segmentation.networks.fcn8s import fcn8s, published_fcn8s
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.network import NetworkSegmenter
from keras_sister.segmentation.segmenters.open import open_segmenter
from keras_sister.segmentation.segmenters.postprocessing import PostprocessedSegmenter
from keras_sister.segmentation.segmenters.selfie import find_weights
from keras_sister.segmenter import Segmenter
from keras_sister.street import write_street

PHOTOS, SIZE = 64, 224
FEW, FULL_SIZE = 4, 384  # number of photos and image size for the large networks
MANY = 1024  # photos, so that the time for tracing does not matter


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        write_street(Path(scratch) / "street", photos=PHOTOS, seed=0)
        photos = sorted((Path(scratch) / "street" / "images").iterdir())
        masks = open_segmenter(f"masks:{Path(scratch) / 'street' / 'masks'}")
        selfie = open_segmenter("selfie")
        segmenters = {
            "selfie": selfie,
            "selfie, largest component and margin": PostprocessedSegmenter(selfie, keep_largest=True, margin=2),
            "fcn8s, width 1/8, 128 pixels": NetworkSegmenter(fcn8s(classes=2, width=0.125), size=128),
        }
        pixels = np.stack([np.asarray(Image.open(photo).resize((256, 256))) for photo in photos])
        alone = {name: _segmentation(segmenter, pixels) for name, segmenter in segmenters.items()}
        alone = {"LiteRT interpreter": _litert_segmentation(pixels), **alone}
        report("LiteRT interpreter", PHOTOS, alone, title="segmenter alone")
        filled = {name: _filling(s, photos, Path(scratch)) for name, s in {"masks": masks, **segmenters}.items()}
        report("masks", PHOTOS, filled, title=f"filling the view store, {SIZE} pixels")
        few = pixels[:FEW]
        full = {name: _segmentation(segmenter, few) for name, segmenter in {"selfie": selfie, **_published()}.items()}
        report("selfie", FEW, full, title="published networks alone")
        write_street(Path(scratch) / "many", photos=MANY, seed=1)
        many = sorted((Path(scratch) / "many" / "images").iterdir())
        for name in ("selfie", "fcn8s, width 1/8, 128 pixels"):
            busy = _cores_busy(_filling(segmenters[name], many, Path(scratch)))
            print(f"Filling the view store with {MANY} photos, {name}: {busy:.2f} of {os.cpu_count()} cores busy")


def _published() -> dict[str, Segmenter]:
    mean = (123.68, 116.779, 103.939)
    networks = {
        "FCN-8s, full width": fcn8s(classes=21),
        "FCN-8s, layout of the published weights": published_fcn8s(mean=mean),
        "DeepLab V3+, ResNet-50": deeplab(classes=21, size=FULL_SIZE, weights="none"),
    }
    return {name: NetworkSegmenter(network, size=FULL_SIZE) for name, network in networks.items()}


def _cores_busy(work: Callable[[], object]) -> float:
    """Average number of busy cores during a call."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return (time.process_time() - used) / (time.perf_counter() - start)


def _litert_segmentation(pixels: np.ndarray) -> Callable[[], object]:
    interpreter = tf.lite.Interpreter(str(find_weights()), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    (details,) = interpreter.get_input_details()

    def segment() -> None:
        for image in pixels:
            interpreter.set_tensor(details["index"], image[None].astype(np.float32) / 255)
            interpreter.invoke()

    return segment


def _segmentation(segmenter: Segmenter, pixels: np.ndarray) -> Callable[[], object]:
    batches = tf.data.Dataset.from_tensor_slices(pixels)
    batches = batches.map(lambda image: tf.cast(tf.round(tf.image.resize(image, 2 * (segmenter.size,))), tf.uint8))
    batches = list(batches.batch(16).as_numpy_iterator())
    function = tf.function(segmenter)
    return lambda: [function(batch).numpy() for batch in batches]


def _filling(segmenter: Segmenter, photos: list[Path], scratch: Path) -> Callable[[], object]:
    preprocessor = Preprocessor(segmenter, size=SIZE)
    return lambda: ViewStore(SIZE, preprocessor.fingerprint, cache=scratch / uuid.uuid4().hex).fill(
        photos, preprocessor
    )


if __name__ == "__main__":
    main()
