"""What is fuzzed: readers of files that users bring, and what a file of each kind looks like.

Whatever the bytes, a reader returns or raises `InputError` with one line that names the file. Anything else is a fault:
another exception, a crash, a wait of more than `SECONDS`, `MEMORY` bytes more, a message of several lines or of
unlimited length.
"""

import io
import json
import re
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import tensorflow as tf
from hypothesis import strategies as st

from keras_sister.backbones import build_backbone
from keras_sister.backbones.pth_reader import read_pth
from keras_sister.config import Experiment, load_experiment
from keras_sister.data.check import _inspect
from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.data.dcsa import read_ground_truth
from keras_sister.data.open import inspect_dataset
from keras_sister.data.proposal_file import to_dataset_file
from keras_sister.data.propose import propose_dataset
from keras_sister.data.segmentation.voc import read_sbd_mask
from keras_sister.data.tables import read_table
from keras_sister.errors import InputError
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.evaluation.summary import read_summary
from keras_sister.images import decode
from keras_sister.models import build, load_model
from keras_sister.run import Run
from keras_sister.schema import DCSA, Attribute, Schema
from keras_sister.segmentation.importers.matconvnet_file import read_network
from keras_sister.segmentation.importers.tflite import read_tflite
from keras_sister.storage.reader_process import read_apart
from keras_sister.training.final import final_settings

from ..odd_photos import whole_photos, with_right_checksums
from ..run_folder import write_run
from .any_mat import read_any
from .mutations import from_tokens, mutated

SECONDS = 20
MEMORY = 2 << 30
_LONGEST = 700  # characters of a message, besides the path


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        read: takes a file, or a folder with it.
        wholes: valid files, by name; made once.
        tokens: pieces of text that files of its kind are made of; none for binary files.
    """

    read: Callable[[Path], object]
    wholes: Callable[[], dict[str, bytes]]
    tokens: tuple[str, ...] = ()

    def inputs(self) -> st.SearchStrategy[tuple[str, bytes]]:
        """Damaged files: name and contents."""
        wholes = self.wholes()
        found = mutated(wholes)
        if self.tokens:
            found |= st.tuples(st.sampled_from(list(wholes)), from_tokens(self.tokens))
        return found

    def check(self, name: str, contents: bytes) -> None:
        """Read a file.

        Raises:
            AssertionError, Exception: for a fault.
        """
        with tempfile.TemporaryDirectory() as folder, _bounded():
            file = Path(folder) / name
            file.write_bytes(contents)
            try:
                self.read(file)
            except InputError as error:
                message = str(error)
                assert folder in message, message
                assert "\n" not in message, message
                assert len(message.replace(folder, "")) < _LONGEST, message


@contextmanager
def _bounded() -> Iterator[None]:
    """Raise an error after `SECONDS`, and refuse memory beyond `MEMORY` more than there is now."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before, limits = signal.signal(signal.SIGALRM, stop), resource.getrlimit(resource.RLIMIT_DATA)
    used = int(re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, limits[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def _photo(file: Path) -> None:
    """``data check`` and the decoder agree; what is decoded is upright RGB."""
    if file.suffix == ".png":
        file.write_bytes(with_right_checksums(file.read_bytes()))
    found = _inspect(file)
    try:
        pixels = decode(tf.constant(file.read_bytes()))
    except tf.errors.OpError:
        assert found.problem, "accepted by data check alone"
        raise InputError(found.problem) from None
    assert not found.problem, f"refused by data check alone: {found.problem}"
    assert pixels.dtype == tf.uint8
    assert (pixels.shape[1], pixels.shape[0]) == found.size


def _mat(file: Path) -> None:
    reader = {"gt": read_ground_truth, "sbd": read_sbd_mask, "network": read_network}[file.name.split(".")[0]]
    try:
        read_apart(reader, file)
    finally:
        read_apart(read_any, file)


def _mats() -> dict[str, bytes]:
    classes = np.zeros((4, 5), np.uint8)
    layers = {"name": "conv1", "type": "conv", "weights": np.zeros((3, 3, 3, 2), np.float32)}
    content: dict[str, dict[str, Any]] = {
        "gt.mat": {"GT": np.array([[1.0], [2.0], [np.nan]])},
        "sbd.mat": {"GTcls": {"Segmentation": classes, "Boundaries": np.array([["x"]], dtype=object)}},
        "network.mat": {"layers": layers, "params": {"name": "w", "value": classes}, "meta": {"a": "b"}},
    }
    found = {}
    for name, variables in content.items():
        for compressed in (False, True):
            file = io.BytesIO()
            scipy.io.savemat(file, variables, do_compression=compressed)
            found[f"{name.removesuffix('.mat')}.{'z' if compressed else 'p'}.mat"] = file.getvalue()
    return found


def _tflite(file: Path) -> None:
    read_tflite(file, name="fuzzed")


def _tflites() -> dict[str, bytes]:
    """A small network of supported operations, converted by TensorFlow."""
    image = tf.keras.Input((8, 8, 3), batch_size=1)
    x = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)
    x = tf.keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = tf.keras.layers.AveragePooling2D(2)(x)
    model = tf.keras.Model(image, tf.keras.ops.sigmoid(x))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_types = [tf.float16]
    half = tf.lite.TFLiteConverter.from_keras_model(model)
    half.optimizations, half.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
    return {"x.tflite": converter.convert(), "half.tflite": half.convert()}


def _models() -> dict[str, bytes]:
    """A model that ``train`` might have written, small enough to be read often."""
    model = build("baseline", Schema((Attribute("scarf"),)), backbone="resnet_mini", weights="none", size=32)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        return {"model.keras": (Path(folder) / "model.keras").read_bytes()}


def _backbones() -> dict[str, bytes]:
    layers = [tf.keras.Input((32, 32, 3)), tf.keras.layers.Conv2D(4, 3), tf.keras.layers.BatchNormalization()]
    with tempfile.TemporaryDirectory() as folder:
        tf.keras.Sequential(layers).save(Path(folder) / "own.keras")
        return {"own.keras": (Path(folder) / "own.keras").read_bytes()}


def _pths() -> dict[str, bytes]:
    import torch

    state = {"conv.weight": torch.ones((2, 3, 1, 1)), "bn.num": torch.tensor(7), "half": torch.ones(3).half()}
    found = {}
    for name, zipped in (("zip.pth", True), ("old.pth", False)):
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=zipped)
        found[name] = file.getvalue()
    return found


def _table(file: Path) -> None:
    table = read_table(file)
    assert all(len(row) == len(table.headings) for row in table.rows)
    proposal = propose_dataset(table)
    (file.parent / "d.yaml").write_text(to_dataset_file(proposal, file.parent / "d.yaml"), encoding="utf-8")
    inspect_dataset(file.parent / "d.yaml")


@cache
def _tables() -> dict[str, bytes]:
    import openpyxl
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"image": f"{i}.jpg", "neck": ["Round", "V", "n/a", ""][i % 4], "n": i % 3} for i in range(8)]
    text = "image,neck,n\n" + "".join(f"{row['image']},{row['neck']},{row['n']}\n" for row in rows)
    book, excel, columns = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        book.active.append(row)
    book.save(excel)
    parquet.write_table(pa.Table.from_pylist(rows), columns)
    return {
        "t.csv": text.encode(),
        "t.tsv": text.replace(",", "\t").encode("utf-16"),
        "t.txt": ("sep=;\n" + text.replace(",", ";")).encode("cp1252"),
        "t.jsonl": "\n".join(json.dumps(row) for row in rows).encode(),
        "t.xlsx": excel.getvalue(),
        "t.parquet": columns.getvalue(),
    }


_DATASET = b"""table: t.csv
photo: image
group: id
unknown: ["", "?"]
on_unknown_value: unknown
attributes:
  neck: [round, "v", other]
  scarf: {classes: ["no", "yes"], spellings: {"0": "no"}, title: "Scarf?", blank: "no"}
  colours: {separator: ";", values: [red, blue]}
"""


@cache
def _run_folder() -> tuple[Path, dict[str, bytes]]:
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-run-"))
    labels = np.stack([np.arange(12) % 2, np.arange(12) % 3], axis=1)
    write_run(folder / "run", labels)
    files = {
        str(file.relative_to(folder / "run")).replace("/", "+"): file.read_bytes()
        for file in sorted((folder / "run").rglob("*.*"))
        if file.suffix in (".json", ".yaml", ".npz") and not file.name.startswith(".")
    }
    return folder / "run", files


@cache
def _whole_macc() -> dict[str, Any]:
    return read_summary(Run(_run_folder()[0]))["macc"]


def _run(file: Path) -> None:
    """Everything that is read of a run; what is accepted gives the scores that it had."""
    folder = file.parent / "run"
    shutil.copytree(_run_folder()[0], folder)
    (folder / file.name.replace("+", "/")).write_bytes(file.read_bytes())
    run = Run(folder)
    read_out_of_fold(folder)
    found = read_summary(run)
    final_settings(run)
    assert found["macc"] == _whole_macc()


def _tokens(text: str) -> tuple[str, ...]:
    """Pieces, of any letters but "~"."""
    return tuple(text.split("~"))


_TABLE = _tokens('image~neck~.jpg~1.jpg~"~""~,~;~\t~\n~\r\n~|~sep=;~{~}~[~]~:~é~\x00~=~0')
_YAML = _tokens(": ~\n~  ~- ~[~]~{~}~\"~'~#~!~&a ~*a~? ~<<~null~no~0100~1e-5~.inf~1:30~2024-01-01")
_DATASET_FILE = _tokens("table: ~photo: ~attributes: ~classes: ~spellings: ~separator: ~values: ~blank: ~unknown: ")
_SETTINGS = _tokens("system: ~epochs: ~weights: ~learning_rate: ~sister_a")
_JSON = _tokens('{~}~[~]~:~,~null~1~NaN~1e999~"attributes"~"name"~"classes"~"a"~"A"~"no"~"yes"~"\\ud800"~"decoded"')

TARGETS = {
    "photo": Target(_photo, whole_photos),
    "mat": Target(_mat, _mats),
    "tflite": Target(_tflite, cache(_tflites)),
    "pth": Target(read_pth, cache(_pths)),
    "table": Target(_table, _tables, _TABLE),
    "dataset_file": Target(
        read_dataset_file, lambda: {"d.yaml": _DATASET}, (_DATASET.decode(), *_DATASET_FILE, *_YAML)
    ),
    "settings": Target(
        load_experiment,
        lambda: {"config.yaml": Experiment(system="sister_a").to_yaml().encode()},
        _SETTINGS + _YAML,
    ),
    "schema": Target(Schema.load, lambda: {"schema.json": DCSA.to_json().encode()}, _JSON),
    "run": Target(_run, lambda: _run_folder()[1]),
    "model": Target(load_model, cache(_models)),
    "backbone": Target(lambda file: build_backbone(file, size=32), cache(_backbones)),
}
