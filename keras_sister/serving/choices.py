"""The choices of the commands around exports. No imports, so that help texts appear at once."""

RUNTIMES = ("tensorflow", "openvino", "openvino-bfloat16")
"""Runtimes of the network in `keras_sister.serving.tagger.Tagger`. TensorFlow decodes and segments in any case."""

PRECISIONS = ("float32", "bfloat16")
"""Compute precisions of an exported network."""

FORMATS = {"onnx": "model.onnx", "litert": "model.tflite", "openvino": "model.xml"}
"""Further formats of an exported network, each with its file; OpenVINO's weights are beside it, in ``model.bin``."""

REST_FORMATS = ("row", "column")
"""Formats of REST requests: ``instances``, one object per photo, or ``inputs``, one list per input."""
