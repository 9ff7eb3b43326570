"""Reader of ``.tflite`` files: rebuilds the network as a Keras functional model.

It supports the operations of MediaPipe's selfie segmenter and refuses others by name. The package ``tflite`` parses
the file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tflite

from keras_sister.backbones.finite import check_finite
from keras_sister.errors import InputError, reason_of
from keras_sister.layers.data_format import channels_last
from keras_sister.storage.regular_files import check_regular

_MAX_BYTES = 1_000_000_000
_OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
_PADDINGS = {tflite.Padding.SAME: "same", tflite.Padding.VALID: "valid"}
_ARRAYS = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


@channels_last()
def read_tflite(path: Path, *, name: str) -> keras.Model:
    """Rebuild the network of a file.

    Args:
        path: a ``.tflite`` file with one input and one output, images (1, height, width, channels).
        name: name of the returned model.

    Returns:
        A ``keras.Model`` with the file's weights: (batch, height, width, channels) to the output's shape, float32.

    Raises:
        InputError: if the file is not such a network, or has an unsupported operation.

    Example:
        >>> read_tflite(Path("selfie_segmentation.tflite"), name="selfie").output_shape
        (None, 256, 256, 1)
    """
    check_regular(path, max_bytes=_MAX_BYTES)
    contents = path.read_bytes()
    if contents[4:8] != b"TFL3":
        raise InputError(f"{path}: not a .tflite file.")
    try:
        model = _rebuild(tflite.Model.GetRootAsModel(contents, 0), name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # the parser checks nothing: whatever random bytes lead to
        raise InputError(f"{path}: damaged: {reason_of(error)}") from error
    check_finite(model, path)
    return model


def _rebuild(file: Any, name: str) -> keras.Model:
    graph = file.Subgraphs(0)
    if file.SubgraphsLength() != 1 or graph.InputsLength() != 1 or graph.OutputsLength() != 1:
        raise InputError("expected a network of one graph with one input and one output.")
    shape = graph.Tensors(graph.Inputs(0)).ShapeAsNumpy()
    image = keras.Input(shape[1:].tolist(), name="image")
    values: dict[int, Any] = {graph.Inputs(0): image}  # by the index of a tensor, NumPy arrays and Keras tensors
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        kind = _kind(file, operator)
        if kind not in _OPERATIONS:
            raise InputError(f"unsupported operation {kind}; supported are {', '.join(_OPERATIONS)}.")
        inputs = [_value(file, graph, values, tensor) for tensor in operator.InputsAsNumpy()]
        values[operator.Outputs(0)] = _OPERATIONS[kind](operator, *inputs)
    return keras.Model(image, values[graph.Outputs(0)], name=name)


def _kind(file: Any, operator: Any) -> str:
    code = file.OperatorCodes(operator.OpcodeIndex())
    # Files from before 2020 have the code in a field of one byte, later ones have the larger of the two.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return code.CustomCode().decode() if number == tflite.BuiltinOperator.CUSTOM else _OPERATOR_NAMES[number]


def _value(file: Any, graph: Any, values: dict[int, Any], index: int) -> Any:
    if index not in values:
        tensor = graph.Tensors(index)
        if tensor.Type() not in _ARRAYS:
            raise InputError(f"tensor {tensor.Name().decode()}: unsupported type {tensor.Type()}.")
        stored = file.Buffers(tensor.Buffer()).DataAsNumpy()
        values[index] = np.frombuffer(stored.tobytes(), _ARRAYS[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
    return values[index]


def _options(operator: Any, kind: Callable[[], Any]) -> Any:
    table = operator.BuiltinOptions()
    options = kind()
    options.Init(table.Bytes, table.Pos)
    if hasattr(options, "FusedActivationFunction") and options.FusedActivationFunction():
        raise InputError(f"{type(options).__name__}: fused activations are not supported.")
    return options


def _convolution(operator: Any, x: Any, kernel: np.ndarray, bias: np.ndarray) -> Any:
    options = _options(operator, tflite.Conv2DOptions)
    outputs, height, width, _ = kernel.shape
    layer = keras.layers.Conv2D(
        outputs,
        (height, width),
        strides=(options.StrideH(), options.StrideW()),
        padding=_PADDINGS[options.Padding()],
        dilation_rate=(options.DilationHFactor(), options.DilationWFactor()),
    )
    return _with_weights(layer, x, kernel.transpose(1, 2, 3, 0), bias)


def _depthwise_convolution(operator: Any, x: Any, kernel: np.ndarray, bias: np.ndarray) -> Any:
    options = _options(operator, tflite.DepthwiseConv2DOptions)
    _, height, width, _ = kernel.shape
    layer = keras.layers.DepthwiseConv2D(
        (height, width),
        strides=(options.StrideH(), options.StrideW()),
        padding=_PADDINGS[options.Padding()],
        dilation_rate=(options.DilationHFactor(), options.DilationWFactor()),
    )
    return _with_weights(layer, x, kernel.transpose(1, 2, 3, 0), bias)


def _transposed_convolution(operator: Any, x: Any, kernel: np.ndarray, bias: np.ndarray) -> Any:
    """MediaPipe's custom operation ``Convolution2DTransposeBias``; its options are three integers."""
    padding, stride_x, stride_y = np.frombuffer(operator.CustomOptionsAsNumpy().tobytes(), np.int32).tolist()
    outputs, height, width, _ = kernel.shape
    layer = keras.layers.Conv2DTranspose(
        outputs,
        (height, width),
        strides=(stride_y, stride_x),
        padding={1: "same", 2: "valid"}[padding],  # as in TfLitePadding
    )
    return _with_weights(layer, x, kernel.transpose(1, 2, 0, 3), bias)


def _with_weights(layer: keras.layers.Layer, x: Any, *weights: np.ndarray) -> Any:
    outputs = layer(x)
    layer.set_weights(weights)
    return outputs


def _average_pooling(operator: Any, x: Any) -> Any:
    options = _options(operator, tflite.Pool2DOptions)
    return keras.layers.AveragePooling2D(
        (options.FilterHeight(), options.FilterWidth()),
        strides=(options.StrideH(), options.StrideW()),
        padding=_PADDINGS[options.Padding()],
    )(x)


def _resize(operator: Any, x: Any, size: np.ndarray) -> Any:
    options = _options(operator, tflite.ResizeBilinearOptions)
    if options.AlignCorners() or not options.HalfPixelCenters():
        raise InputError("RESIZE_BILINEAR: only half-pixel centres are supported.")
    return keras.ops.image.resize(x, size.tolist(), interpolation="bilinear", data_format="channels_last")


def _add(operator: Any, a: Any, b: Any) -> Any:
    _options(operator, tflite.AddOptions)
    return keras.ops.add(a, b)


def _multiply(operator: Any, a: Any, b: Any) -> Any:
    _options(operator, tflite.MulOptions)
    return keras.ops.multiply(a, b)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pooling,
    "CONV_2D": _convolution,
    "Convolution2DTransposeBias": _transposed_convolution,
    "DEPTHWISE_CONV_2D": _depthwise_convolution,
    "DEQUANTIZE": lambda operator, x: x.astype(np.float32),  # weights stored in half precision
    "HARD_SWISH": lambda operator, x: keras.ops.hard_swish(x),
    "LOGISTIC": lambda operator, x: keras.ops.sigmoid(x),
    "MUL": _multiply,
    "RELU": lambda operator, x: keras.ops.relu(x),
    "RESIZE_BILINEAR": _resize,
}
