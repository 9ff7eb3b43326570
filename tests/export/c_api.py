"""A SavedModel in TensorFlow's C runtime, the loader that TensorFlow Serving uses; Python's TensorFlow is not imported.

    python c_api.py REQUEST.json ANSWERS.npz

``REQUEST.json``: ``libraries``, the folder of libtensorflow_cc; ``saved_model``; and ``calls``, a list of ``inputs``,
tensor names with a file of an array (.npy) or a list of files whose bytes are strings, and ``outputs``, tensor names.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

_UINT8, _STRING = 4, 7
_DTYPES = {1: np.float32, 3: np.int32, 4: np.uint8, 10: np.bool_}
_STRING_BYTES = 24


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Session:
    """A loaded SavedModel."""

    def __init__(self, libraries: str, folder: str) -> None:
        ctypes.CDLL(str(Path(libraries) / "libtensorflow_framework.so.2"), mode=ctypes.RTLD_GLOBAL)
        self.c = ctypes.CDLL(str(Path(libraries) / "libtensorflow_cc.so.2"), mode=ctypes.RTLD_GLOBAL)
        for name in ["NewStatus", "NewGraph", "NewSessionOptions", "LoadSessionFromSavedModel", "GraphOperationByName"]:
            getattr(self.c, f"TF_{name}").restype = ctypes.c_void_p
        self.c.TF_StringGetDataPointer.restype, self.c.TF_StringGetSize.restype = ctypes.c_void_p, ctypes.c_size_t
        for name in ("AllocateTensor", "TensorData"):
            getattr(self.c, f"TF_{name}").restype = ctypes.c_void_p
        for name in ("Dim", "TensorByteSize"):
            getattr(self.c, f"TF_{name}").restype = ctypes.c_size_t
        self.c.TF_Message.restype = ctypes.c_char_p
        self.status = ctypes.c_void_p(self.c.TF_NewStatus())
        self.graph = ctypes.c_void_p(self.c.TF_NewGraph())
        options, tags = ctypes.c_void_p(self.c.TF_NewSessionOptions()), (ctypes.c_char_p * 1)(b"serve")
        session = self.c.TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, self.graph, None, self.status
        )
        self._check()
        self.session = ctypes.c_void_p(session)

    def run(self, inputs: dict[str, object], outputs: dict[str, str]) -> dict[str, np.ndarray]:
        asked = (_Output * len(inputs))(*map(self._place, inputs))
        given = (ctypes.c_void_p * len(inputs))(*map(self._tensor, inputs.values()))
        wanted = (_Output * len(outputs))(*map(self._place, outputs.values()))
        found = (ctypes.c_void_p * len(outputs))()
        self.c.TF_SessionRun(
            self.session, None, asked, given, len(inputs), wanted, found, len(outputs), None, 0, None, self.status
        )
        self._check()
        return {name: self._array(ctypes.c_void_p(tensor)) for name, tensor in zip(outputs, found, strict=True)}

    def _place(self, tensor: str) -> _Output:
        name, index = tensor.split(":")
        return _Output(self.c.TF_GraphOperationByName(self.graph, name.encode()), int(index))

    def _tensor(self, value: object) -> int:
        if isinstance(value, np.ndarray):
            tensor, data = self._new(_UINT8, value.shape, value.nbytes)
            ctypes.memmove(data, np.ascontiguousarray(value).ctypes.data, value.nbytes)
            return tensor
        tensor, data = self._new(_STRING, (len(value),), _STRING_BYTES * len(value))
        for i, text in enumerate(value):
            place = ctypes.c_void_p(data + _STRING_BYTES * i)
            self.c.TF_StringInit(place)
            self.c.TF_StringCopy(place, text, ctypes.c_size_t(len(text)))
        return tensor

    def _new(self, dtype: int, shape: tuple[int, ...], size: int) -> tuple[int, int]:
        dimensions = (ctypes.c_int64 * len(shape))(*shape)
        tensor = self.c.TF_AllocateTensor(dtype, dimensions, len(shape), ctypes.c_size_t(size))
        return tensor, self.c.TF_TensorData(ctypes.c_void_p(tensor))

    def _array(self, tensor: ctypes.c_void_p) -> np.ndarray:
        shape = [self.c.TF_Dim(tensor, i) for i in range(self.c.TF_NumDims(tensor))]
        if self.c.TF_TensorType(tensor) == _STRING:
            places = [self.c.TF_TensorData(tensor) + _STRING_BYTES * i for i in range(shape[0])]
            return np.array([self._string(ctypes.c_void_p(place)) for place in places])
        contents = ctypes.string_at(self.c.TF_TensorData(tensor), self.c.TF_TensorByteSize(tensor))
        return np.frombuffer(contents, _DTYPES[self.c.TF_TensorType(tensor)]).reshape(shape)

    def _string(self, place: ctypes.c_void_p) -> bytes:
        return ctypes.string_at(self.c.TF_StringGetDataPointer(place), self.c.TF_StringGetSize(place))

    def _check(self) -> None:
        if self.c.TF_GetCode(self.status):
            raise RuntimeError(self.c.TF_Message(self.status).decode())


def main(request: str, answers: str) -> None:
    content = json.loads(Path(request).read_text())
    session = Session(content["libraries"], content["saved_model"])
    found = {}
    for call in content["calls"]:
        inputs = {
            name: np.load(value) if isinstance(value, str) else [Path(file).read_bytes() for file in value]
            for name, value in call["inputs"].items()
        }
        found.update(session.run(inputs, call["outputs"]))
    assert "tensorflow" not in sys.modules
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
