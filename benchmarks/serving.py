"""Speed and memory of exports on this CPU, compared with other runtimes: from JPEG bytes, and from tensors.

    python -m benchmarks.serving [--backbone resnet50] [--size 224] [--rounds 11]

All variants predict the same synthetic photos in turn, in one process. Load time and resident memory are measured in
one process per variant.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.side_by_side import report
from keras_sister import models
from keras_sister.catalogue.job import Job
from keras_sister.catalogue.local_engine import LocalEngine
from keras_sister.catalogue.resumable_table import Part
from keras_sister.export.export_model import export_model
from keras_sister.export.formats import convert
from keras_sister.images import decode, resize
from keras_sister.schema import DCSA
from keras_sister.serving.choices import FORMATS, RUNTIMES
from keras_sister.serving.openvino_network import import_openvino
from keras_sister.serving.tagger import Tagger
from keras_sister.street import write_street

PRECISIONS = {"export": "float32", "export, bfloat16": "bfloat16"}
VARIANTS = ("model.export", *PRECISIONS, "ONNX Runtime", "OpenVINO", "OpenVINO, bfloat16")
Predict = Callable[[Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--measure", nargs=2, metavar=("VARIANT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_memory_and_load_time(*options.measure)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = _photos(folder, options.size)
        _export(folder, photos, options.backbone, options.size)
        contents = [photo.read_bytes() for photo in photos]
        pixels = np.stack([resize(decode(tf.constant(photo)), options.size).numpy() for photo in contents])
        networks = {name: _load_network(name, folder) for name in VARIANTS}
        taggers = {name: _load_tagger(name, folder, networks[name], options.size) for name in VARIANTS}
        for batch in (1, 8):
            variants = {name: _calling(predict, pixels[:batch]) for name, predict in networks.items()}
            title = f"from tensors to logits, batches of {batch}"
            report("model.export", batch, variants, title=title, rounds=options.rounds)
        for batch in (1, 8):
            variants = {name: _calling(tag, tf.constant(contents[:batch])) for name, tag in taggers.items()}
            title = f"from JPEG bytes to tags, batches of {batch}"
            report("model.export", batch, variants, title=title, rounds=options.rounds)
        for batch in (1, 8):
            _report_parts(networks["export"], taggers["export"], contents[:batch], options)
        _report_catalogue(folder, photos, options)
        print("| | MB of memory | seconds to load |\n|---|---|---|")
        for name in VARIANTS:
            measured = _measure_in_new_process(name, folder, options)
            print(f"| {name} | {measured['memory']:,.0f} | {measured['load']:.1f} |")


def _photos(folder: Path, size: int) -> list[Path]:
    write_street(folder / "street", photos=8, seed=0)
    return sorted((folder / "street" / "images").iterdir())


def _export(folder: Path, photos: list[Path], backbone: str, size: int) -> None:
    """Write the files of every variant, all from one model with random weights."""
    keras.utils.set_random_seed(0)
    model = models.build("baseline", DCSA, backbone=backbone, weights="none", size=size)
    model.export(folder / "plain", verbose=False)
    for precision in ("float32", "bfloat16"):
        export_model(model, folder / precision, schema=DCSA, photos=photos, precision=precision)
    for name in ("onnx", "openvino"):
        convert(folder / "float32" / "1", name, folder / name)


def _load_network(variant: str, folder: Path) -> Predict:
    """A function from uint8 photos, shape (batch, size, size, 3), to logits, or to probabilities for exports."""
    if variant == "model.export":
        plain = tf.saved_model.load(str(folder / "plain"))
        return lambda pixels: plain.serve({"photo": tf.cast(pixels, tf.float32)}).numpy()
    if variant in PRECISIONS:
        views = _signature(variant, folder, "views")
        return lambda pixels: {name: out.numpy() for name, out in views(photo=tf.constant(pixels)).items()}
    if variant == "ONNX Runtime":
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "onnx" / FORMATS["onnx"], providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(None, {"photo": pixels})
    hint = {"INFERENCE_PRECISION_HINT": "bf16" if "bfloat16" in variant else "f32"}
    network = import_openvino().Core().compile_model(folder / "openvino" / FORMATS["openvino"], "CPU", hint)
    return lambda pixels: network({"photo": pixels})


def _load_tagger(variant: str, folder: Path, network: Predict, size: int) -> Predict:
    """A function from JPEG bytes, a string tensor (batch,), to tags. TensorFlow decodes for all but the exports."""
    if variant in PRECISIONS:
        tag = _signature(variant, folder, "serving_default")
        return lambda strings: {name: out.numpy() for name, out in tag(image_bytes=strings).items()}
    decoded = _decoder(size)
    if variant == "model.export":
        return lambda strings: DCSA.probabilities(network(decoded(strings).numpy()))
    return lambda strings: network(decoded(strings).numpy())


def _signature(variant: str, folder: Path, name: str) -> Callable[..., dict[str, tf.Tensor]]:
    loaded = tf.saved_model.load(str(folder / PRECISIONS[variant] / "1"))
    signature = loaded.signatures[name]
    signature.loaded = loaded  # signatures do not keep their variables alive
    return signature


def _decoder(size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function
    def decoded(strings: tf.Tensor) -> tf.Tensor:
        spec = tf.TensorSpec((size, size, 3), tf.uint8)
        return tf.map_fn(lambda contents: resize(decode(contents), size), strings, fn_output_signature=spec)

    return decoded


def _calling(predict: Predict, batch: object) -> Callable[[], object]:
    return lambda: predict(batch)


def _report_parts(views: Predict, serving_default: Predict, contents: list[bytes], options: argparse.Namespace) -> None:
    """Compare the signature `serving_default` with its parts in sequence: decoding, then the network."""
    strings, decoded = tf.constant(contents), _decoder(options.size)
    variants = {
        "decoding, then views": lambda: views(decoded(strings)),
        "serving_default": lambda: serving_default(strings),
    }
    title = f"serving_default against its parts, batches of {len(contents)}"
    report("decoding, then views", len(contents), variants, title=title, rounds=options.rounds)


def _report_catalogue(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    """Compare `sister-keras tag` with sequential reading, decoding and prediction."""
    catalogue = [str(photo) for photo in photos * 8]
    tagger = Tagger(folder / "float32" / "1")
    engines = {runtime: LocalEngine(Job(folder / "float32" / "1", runtime=runtime)) for runtime in RUNTIMES}

    def sequential() -> object:
        return list(tagger.tag(map(Path, catalogue)))

    variants = {"sequential": sequential}
    variants |= {f"tag --runtime {runtime}": _tagging(engine, catalogue) for runtime, engine in engines.items()}
    report("sequential", len(catalogue), variants, title="catalogue, from files to rows", rounds=options.rounds)
    busy, start = time.process_time(), time.perf_counter()
    variants["tag --runtime tensorflow"]()
    cores = (time.process_time() - busy) / (time.perf_counter() - start)
    print(f"Busy cores during tag: {cores:.1f}.\n")


def _tagging(engine: LocalEngine, catalogue: list[str]) -> Callable[[], object]:
    return lambda: list(engine.tag([Part(0, catalogue)], lambda photos: None))


def _measure_in_new_process(variant: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.serving",
        "--size",
        str(options.size),
        "--measure",
        variant,
        str(folder),
    ]
    child = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own module
    return json.loads(child.stdout.splitlines()[-1])


def _memory_and_load_time(variant: str, folder: str) -> dict[str, float]:
    size = int(sys.argv[sys.argv.index("--size") + 1])
    before, start = _resident_memory(), time.perf_counter()
    network = _load_network(variant, Path(folder))
    load = time.perf_counter() - start
    for batch in (1, 8):
        network(np.zeros((batch, size, size, 3), np.uint8))
    return {"load": load, "memory": _resident_memory() - before}


def _resident_memory() -> float:
    """Resident memory of this process in MB, on Linux."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
