"""The network of an export for other runtimes: ONNX, LiteRT, OpenVINO.

None of them decodes JPEGs or resizes as TensorFlow does, so they get the signature ``views``: photo and segmented, or
mask, at the model's size, in; a named output for each attribute, out.
"""

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.serving.openvino_network import OpenVINONetwork, convert_to_openvino

FILES = {"onnx": "model.onnx", "litert": "model.tflite", "openvino": "model.xml"}
"""The formats, each with the file that it makes; OpenVINO's weights lie beside it, in ``model.bin``."""

_NEEDS = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",), "openvino": ("openvino",)}

_OPSET = 18


def check_formats(formats: tuple[str, ...]) -> None:
    """Make sure that what the formats need is installed.

    Raises:
        InputError: naming the extra that is missing.
    """
    for name in formats:
        if not all(find_spec(package) for package in _NEEDS[name]):
            raise InputError(f"--format {name} needs more packages: pip install 'keras-sister[{name}]'.")


def convert(saved_model: Path, name: str, folder: Path) -> Path:
    """Write the network of an export in another format.

    Args:
        saved_model: an export.
        name: of the format, a key of `FILES`.
        folder: to make, for its file.

    Returns:
        The file.

    Raises:
        RuntimeError: if the converter fails.
    """
    folder.mkdir()
    file = folder / FILES[name]
    if name == "onnx":
        command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", saved_model, "--signature_def", "views"]
        command += ["--opset", _OPSET, "--output", file]
        child = subprocess.run([str(word) for word in command], capture_output=True, text=True)  # noqa: S603 - no shell
        if child.returncode:
            raise RuntimeError(f"tf2onnx failed: {child.stderr.strip()[-2000:]}")
    elif name == "litert":
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=["views"])
        file.write_bytes(converter.convert())
    else:
        import openvino

        loaded = tf.saved_model.load(str(saved_model))  # holds the variables while they are read
        openvino.save_model(convert_to_openvino(loaded.signatures["views"]), file, compress_to_fp16=False)
    return file


def answers(file: Path, name: str, views: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Load a converted network in its own runtime and ask it.

    Args:
        file: of `convert`.
        name: of the format.
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
