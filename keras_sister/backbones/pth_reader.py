"""Reader of ``.pth`` files: the tensors of a PyTorch state dict as NumPy arrays, without PyTorch.

A ``.pth`` file holds pickles, and a pickle may call any function that it names. This reader admits the few names that
a state dict needs, gives each a harmless stand-in, and refuses all others.

Both formats of ``torch.save`` are read. Until PyTorch 1.5: five pickles (a magic number, the format's version, facts
about the machine, the state dict, the keys of its storages), then for each storage its number of elements in 8 bytes,
and the elements. Since then: a zip archive with the state dict in ``data.pkl`` and a file per storage.
"""

import io
import math
import pickle  # nosec B403 # its unpickler admits only the names in a table
import pickletools  # nosec B403 # it lists instructions and runs none
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.errors import InputError, reason_of
from keras_sister.storage.regular_files import check_regular

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_MAX_BYTES = 4_000_000_000
_MAX_PICKLE = 100_000_000
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


def read_pth(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a state dict.

    Args:
        path: a file that ``torch.save(model.state_dict(), path)`` wrote.

    Returns:
        The arrays by name, in the file's order, with the dtypes that they were saved in.

    Raises:
        InputError: if the file cannot be read, is truncated, is not a state dict, or names anything that a state dict
            does not need.

    Example:
        >>> read_pth(Path("efficientnet-lite0-57934424.pth"))["_conv_stem.weight"].shape
        (32, 3, 3, 3)
    """
    check_regular(path, max_bytes=_MAX_BYTES)
    try:
        contents = path.read_bytes()
        if zipfile.is_zipfile(io.BytesIO(contents)):
            tensors, storages = _read_zip(contents)
        else:
            tensors, storages = _read_legacy(contents)
        return {str(name): tensor.array(storages) for name, tensor in tensors.items()}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever a pickle of random bytes leads to
        raise InputError(f"{path}: not a PyTorch state dict, or damaged: {reason_of(error)}.") from error


@dataclass(frozen=True)
class _Storage:
    dtype: str
    key: str
    elements: int

    @property
    def size(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize

    def check_size(self, size: int) -> None:
        if size != self.size:
            raise InputError(f"truncated: {size:,} of {self.size:,} bytes in storage {self.key}.")

    def array(self, contents: bytes) -> np.ndarray:
        self.check_size(len(contents))
        return np.frombuffer(contents, self.dtype)


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        elements = storages[self.storage.key][self.offset :]
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) > max(len(elements), 1):  # strides of 0 would repeat an element without end
            raise InputError("damaged: a tensor has more elements than its storage.")
        if min((self.offset, *self.shape, *self.strides)) < 0 or (0 not in self.shape and last >= len(elements)):
            raise InputError("damaged: a tensor reaches beyond its storage.")
        strides = [stride * elements.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements, self.shape, strides, writeable=False).copy()


class _StateDict(dict):
    """In place of ``collections.OrderedDict``, whose attributes a pickle sets."""


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.file = file
        self.storages: dict[str, _Storage] = {}

    def load(self) -> Any:
        """As `pickle.Unpickler.load`, in memory of the size of the file.

        The unpickler reserves all places before the one that an instruction names: a flipped byte took 21 GB.
        """
        start = self.file.tell()
        for count, (instruction, argument, _) in enumerate(pickletools.genops(self.file)):
            if instruction.name in _PUTS and int(argument or 0) > count:
                raise InputError("not a PyTorch state dict, or damaged.")
        self.file.seek(start)
        return super().load()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _StateDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return name
        raise InputError(f"refused: the file asks for {module}.{name}, which a state dict does not need.")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, name, key, _, elements, *view = pid
        if kind != "storage" or any(view):
            raise InputError("not a plain state dict.")
        storage = _Storage(_DTYPES[name], str(key), int(elements))
        if self.storages.setdefault(storage.key, storage) != storage:
            raise InputError(f"damaged: two storages are named {storage.key}.")
        return storage

    def state_dict(self) -> dict[str, _Tensor]:
        found = self.load()
        if not isinstance(found, dict) or not all(isinstance(tensor, _Tensor) for tensor in found.values()):
            raise InputError("not a state dict: expected a dict of tensors.")
        return found


def _read_legacy(contents: bytes) -> tuple[dict[str, _Tensor], dict[str, np.ndarray]]:
    file = io.BytesIO(contents)
    if (_Unpickler(file).load(), _Unpickler(file).load()) != (_MAGIC, _VERSION):
        raise InputError("not a file of torch.save.")
    if not _Unpickler(file).load()["little_endian"]:
        raise InputError("saved on a big-endian machine, which is not supported.")
    unpickler = _Unpickler(file)
    tensors = unpickler.state_dict()
    storages = {}
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        if file.read(8) != storage.elements.to_bytes(8, "little"):
            raise InputError(f"truncated, or damaged before the {storage.elements} elements of storage {key}.")
        storages[key] = storage.array(file.read(storage.size))
    return tensors, storages


def _read_zip(contents: bytes) -> tuple[dict[str, _Tensor], dict[str, np.ndarray]]:
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise InputError("saved on a big-endian machine, which is not supported.")
        if archive.getinfo(pickled).file_size > _MAX_PICKLE:
            raise InputError("not a PyTorch state dict, or damaged.")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickled)))
        tensors = unpickler.state_dict()
        storages = {}
        for key, storage in unpickler.storages.items():
            storage.check_size(archive.getinfo(f"{folder}data/{key}").file_size)  # before it is unpacked
            storages[key] = storage.array(archive.read(f"{folder}data/{key}"))
        return tensors, storages
