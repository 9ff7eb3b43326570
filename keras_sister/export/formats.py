"""The network of an export in other formats: ONNX, LiteRT, OpenVINO.

These runtimes neither decode JPEGs nor resize as TensorFlow does, so they contain the signature ``views``: from photo
and segmented, or mask, at the model's size, to one named output per attribute.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError, check_choice
from keras_sister.evaluation.decisions import Rules
from keras_sister.export.decisions import compare_decisions
from keras_sister.extras import require
from keras_sister.schema import Schema
from keras_sister.serving.choices import FORMATS
from keras_sister.serving.openvino_network import OpenVINONetwork, convert_to_openvino, import_openvino

_NEEDS = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",), "openvino": ("openvino",)}

_OPSET = 18

_TF2ONNX = """
import runpy
from keras_sister.tensorflow_start import start_tensorflow
start_tensorflow()
runpy.run_module("tf2onnx.convert", run_name="__main__", alter_sys=True)
"""
"""``python -m tf2onnx.convert``, which starts TensorFlow in a third of the time so."""


def check_formats(formats: tuple[str, ...]) -> None:
    """Check that formats are known and their packages installed.

    Raises:
        InputError: for an unknown format, or naming the missing extra.
    """
    for name in formats:
        check_choice("format", name, FORMATS)
        require(_NEEDS[name], f"Format {name} needs {' and '.join(_NEEDS[name])}", name)


def add_format(
    export: Path, name: str, model: keras.Model, schema: Schema, tolerance: float, rules: Rules | None
) -> float:
    """Write the network in another format, run it on random views, and compare its outputs with the model's.

    Args:
        export: the SavedModel, which receives the folder `name`.
        name: a key of `keras_sister.serving.choices.FORMATS`.
        model, schema: what the export was made from.
        tolerance: largest allowed difference of a probability.
        rules: how the export decides; None without thresholds.

    Returns:
        The largest difference of a probability or a confidence.

    Raises:
        InputError: if it is above `tolerance`, or a decision differs.
    """
    file = convert(export, name, export / name)
    rng = np.random.default_rng(0)
    views = {tensor.name: rng.integers(0, 256, (2, *tensor.shape[1:]), np.uint8) for tensor in model.inputs}
    logits = keras.ops.convert_to_numpy(model(views, training=False))
    found = run_converted(file, name, views)
    differences = [
        np.abs(found[attribute] - values).max() for attribute, values in schema.probabilities(logits).items()
    ]
    if rules is not None:
        by_signature = {f"{name}/{output}": values for output, values in found.items()}
        differences += compare_decisions(by_signature, {name: logits}, schema, rules, tolerance)
    difference = float(np.max(differences))
    if not difference <= tolerance:
        raise InputError(f"{export.parent}: {name} differs from the model by {difference:.2g}. Nothing was written.")
    return difference


def convert(saved_model: Path, name: str, folder: Path) -> Path:
    """Write the network of an export in another format.

    Args:
        saved_model: an export.
        name: a key of `keras_sister.serving.choices.FORMATS`.
        folder: the folder to create for the file.

    Returns:
        The path of the file.

    Raises:
        RuntimeError: if the converter fails.
    """
    folder.mkdir()
    file = folder / FORMATS[name]
    if name == "onnx":
        command = [sys.executable, "-c", _TF2ONNX, "--saved-model", saved_model, "--signature_def", "views"]
        command += ["--opset", _OPSET, "--output", file]
        child = subprocess.run([str(word) for word in command], capture_output=True, text=True)  # noqa: S603 - no shell
        if child.returncode:
            raise RuntimeError(f"tf2onnx failed: {child.stderr.strip()[-2000:]}")
    elif name == "litert":
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=["views"])
        file.write_bytes(converter.convert())
    else:
        loaded = tf.saved_model.load(str(saved_model))  # keeps the variables alive while they are read
        import_openvino().save_model(convert_to_openvino(loaded.signatures["views"]), file, compress_to_fp16=False)
    return file


def run_converted(file: Path, name: str, views: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a converted network in its own runtime.

    Args:
        file: the file that `convert` wrote.
        name: a key of `keras_sister.serving.choices.FORMATS`.
        views: uint8 arrays by input name, each with the batch first.

    Returns:
        The outputs by name.
    """
    if name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(views)), strict=True))
    if name == "litert":
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(str(file)).get_signature_runner("views")(**views)
    return OpenVINONetwork(file)(views)
