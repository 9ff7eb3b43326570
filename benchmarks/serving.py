"""What an export costs on this CPU, from JPEG bytes to tags and from tensors to logits, beside other ways to serve.

    python -m benchmarks.serving [--backbone resnet50] [--size 224] [--rounds 11]

All ways answer about the same drawn photos in turn, in one process. Load time, and what loading and answering add to
the resident memory, come from a process of its own for each way.
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
from keras_sister.serving.tagger import Tagger
from keras_sister.street import write_street

PRECISIONS = {"export": "float32", "export, bfloat16": "bfloat16"}
WAYS = ("model.export", *PRECISIONS, "ONNX Runtime", "OpenVINO", "OpenVINO, bfloat16")
Ask = Callable[[Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_memory_and_load_time(*options.measure)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = _photos(folder, options.size)
        _make(folder, photos, options.backbone, options.size)
        contents = [photo.read_bytes() for photo in photos]
        pixels = np.stack([resize(decode(tf.constant(photo)), options.size).numpy() for photo in contents])
        asks = {way: _load(way, folder) for way in WAYS}
        from_bytes = {way: _load_for_bytes(way, folder, asks[way], options.size) for way in WAYS}
        for batch in (1, 8):
            ways = {way: _calling(ask, pixels[:batch]) for way, ask in asks.items()}
            title = f"from tensors to logits, batches of {batch}"
            report("model.export", batch, ways, title=title, rounds=options.rounds)
        for batch in (1, 8):
            ways = {way: _calling(ask, tf.constant(contents[:batch])) for way, ask in from_bytes.items()}
            title = f"from JPEG bytes to tags, batches of {batch}"
            report("model.export", batch, ways, title=title, rounds=options.rounds)
        for batch in (1, 8):
            _report_parts(asks["export"], from_bytes["export"], contents[:batch], options)
        _report_catalogue(folder, photos, options)
        print("| | MB of memory | seconds to load |\n|---|---|---|")
        for way in WAYS:
            found = _in_its_own_process(way, folder, options)
            print(f"| {way} | {found['memory']:,.0f} | {found['load']:.1f} |")


def _photos(folder: Path, size: int) -> list[Path]:
    write_street(folder / "street", photos=8, seed=0)
    return sorted((folder / "street" / "images").iterdir())


def _make(folder: Path, photos: list[Path], backbone: str, size: int) -> None:
    """Every way's files, of one model with random weights."""
    keras.utils.set_random_seed(0)
    model = models.build("baseline", DCSA, backbone=backbone, weights="none", size=size)
    model.export(folder / "plain", verbose=False)
    for precision in ("float32", "bfloat16"):
        export_model(model, folder / precision, schema=DCSA, photos=photos, precision=precision)
    for name in ("onnx", "openvino"):
        convert(folder / "float32" / "1", name, folder / name)


def _load(way: str, folder: Path) -> Ask:
    """A function from uint8 photos (batch, size, size, 3) to logits, or on to probabilities where those come out."""
    if way == "model.export":
        plain = tf.saved_model.load(str(folder / "plain"))
        return lambda pixels: plain.serve({"photo": tf.cast(pixels, tf.float32)}).numpy()
    if way in PRECISIONS:
        views = _signature(way, folder, "views")
        return lambda pixels: {name: out.numpy() for name, out in views(photo=tf.constant(pixels)).items()}
    if way == "ONNX Runtime":
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "onnx" / FORMATS["onnx"], providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(None, {"photo": pixels})
    import openvino

    hint = {"INFERENCE_PRECISION_HINT": "bf16" if "bfloat16" in way else "f32"}
    network = openvino.Core().compile_model(folder / "openvino" / FORMATS["openvino"], "CPU", hint)
    return lambda pixels: network({"photo": pixels})


def _load_for_bytes(way: str, folder: Path, ask: Ask, size: int) -> Ask:
    """A function from strings (batch,) to tags. Networks that take no JPEGs get pixels that TensorFlow decodes."""
    if way in PRECISIONS:
        tag = _signature(way, folder, "serving_default")
        return lambda strings: {name: out.numpy() for name, out in tag(image_bytes=strings).items()}
    decoded = _decoder(size)
    if way == "model.export":
        return lambda strings: DCSA.probabilities(ask(decoded(strings).numpy()))
    return lambda strings: ask(decoded(strings).numpy())


def _signature(way: str, folder: Path, name: str) -> Callable[..., dict[str, tf.Tensor]]:
    loaded = tf.saved_model.load(str(folder / PRECISIONS[way] / "1"))
    signature = loaded.signatures[name]
    signature.loaded = loaded  # signatures do not keep their variables alive
    return signature


def _decoder(size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function
    def decoded(strings: tf.Tensor) -> tf.Tensor:
        spec = tf.TensorSpec((size, size, 3), tf.uint8)
        return tf.map_fn(lambda contents: resize(decode(contents), size), strings, fn_output_signature=spec)

    return decoded


def _calling(ask: Ask, asked: object) -> Callable[[], object]:
    return lambda: ask(asked)


def _report_parts(views: Ask, serving_default: Ask, contents: list[bytes], options: argparse.Namespace) -> None:
    """The whole way by the export, beside its parts done one after the other: decoding, then the network."""
    strings, decoded = tf.constant(contents), _decoder(options.size)
    ways = {
        "decoding, then views": lambda: views(decoded(strings)),
        "serving_default": lambda: serving_default(strings),
    }
    title = f"the whole beside its parts, batches of {len(contents)}"
    report("decoding, then views", len(contents), ways, title=title, rounds=options.rounds)


def _report_catalogue(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    """`sister-keras tag` beside reading, decoding and asking by turns; whether the network ever waits."""
    catalogue = [str(photo) for photo in photos * 8]
    tagger = Tagger(folder / "float32" / "1")
    engines = {runtime: LocalEngine(Job(folder / "float32" / "1", runtime=runtime)) for runtime in RUNTIMES}

    def by_turns() -> object:
        return list(tagger.tag(map(Path, catalogue)))

    ways = {"by turns": by_turns}
    ways |= {f"tag --runtime {runtime}": _tagging(engine, catalogue) for runtime, engine in engines.items()}
    report("by turns", len(catalogue), ways, title="of a catalogue, from files to rows", rounds=options.rounds)
    busy, began = time.process_time(), time.perf_counter()
    ways["tag --runtime tensorflow"]()
    cores = (time.process_time() - busy) / (time.perf_counter() - began)
    print(f"Cores that tag keeps busy: {cores:.1f}.\n")


def _tagging(engine: LocalEngine, catalogue: list[str]) -> Callable[[], object]:
    return lambda: list(engine.tag([Part(0, catalogue)], lambda photos: None))


def _in_its_own_process(way: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.serving", "--size", str(options.size), "--measure", way, str(folder)]
    child = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own module
    return json.loads(child.stdout.splitlines()[-1])


def _memory_and_load_time(way: str, folder: str) -> dict[str, float]:
    size = int(sys.argv[sys.argv.index("--size") + 1])
    before, began = _resident(), time.perf_counter()
    ask = _load(way, Path(folder))
    load = time.perf_counter() - began
    for batch in (1, 8):
        ask(np.zeros((batch, size, size, 3), np.uint8))
    return {"load": load, "memory": _resident() - before}


def _resident() -> float:
    """This process's resident memory in MB, as Linux tells it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
