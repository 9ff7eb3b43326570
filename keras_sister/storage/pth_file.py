"""What is read of a ``.pth`` file, without PyTorch and without Keras: it runs in the reader process.

A ``.pth`` file holds pickles, and a pickle may call any function that it names. This reader admits the few names that
a state dict needs, gives each a harmless stand-in, and refuses all others.
A pickle of a few bytes can also keep the unpickler busy without end, or overflow its stack; it then ends the reader
process only. Memory is in proportion to the file: members of a zip archive must be stored as they are, which
``torch.save`` does, and tensors that share a storage are limited.

Both formats of ``torch.save`` are read. Until PyTorch 1.5: five pickles (a magic number, the format's version, facts
about the machine, the state dict, the keys of its storages), then for each storage its number of elements in 8 bytes,
and the elements. Since then: a zip archive with the state dict in ``data.pkl`` and a file per storage.
"""

import io
import json
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
_MAX_DIMENSIONS = 32
_MAX_VIEWS = 2
"""Bytes of the tensors for each byte of the storages: tied weights are two tensors of one storage."""

NAMES = "names"
"""The key of the tensors' names in what `read_tensors` returns."""

_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a state dict; for `keras_sister.storage.reader_process.read_apart`.

    Returns:
        ``names``: the tensors' names in the file's order, as the bytes of a JSON list; ``0``, ``1``, …: the tensors.

    Raises:
        InputError: see `keras_sister.backbones.pth_reader.read_pth`.
    """
    check_regular(path, max_bytes=_MAX_BYTES)
    try:
        contents = path.read_bytes()
        if zipfile.is_zipfile(io.BytesIO(contents)):
            tensors, storages = _read_zip(contents)
        else:
            tensors, storages = _read_legacy(contents)
        _check_views(tensors, storages)
        arrays = {str(number): tensor.array(storages) for number, tensor in enumerate(tensors.values())}
        return {NAMES: np.frombuffer(json.dumps(list(tensors)).encode(), np.uint8), **arrays}
    except MemoryError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever a pickle of random bytes leads to
        raise InputError(f"{path}: not a PyTorch state dict, or damaged: {reason_of(error)}.") from error


class _Stateless:
    """A class whose objects take no state from a pickle, which would set any attribute, of the class too."""

    def __setstate__(self, state: Any) -> None:
        raise InputError("refused: the file sets attributes, which a state dict does not need.")


@dataclass(frozen=True)
class _Storage(_Stateless):
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


class _Tensor(_Stateless):
    """In place of ``torch._utils._rebuild_tensor_v2``."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> None:
        if not isinstance(storage, _Storage) or max(len(shape), len(strides)) > _MAX_DIMENSIONS:
            raise InputError("damaged: a tensor without a storage, or with too many dimensions.")
        self.storage, self.offset = storage, int(offset)
        self.shape, self.strides = tuple(map(int, shape)), tuple(map(int, strides))
        if min((self.offset, *self.shape, *self.strides)) < 0:
            raise InputError("damaged: a tensor reaches beyond its storage.")

    @property
    def size(self) -> int:
        return math.prod(self.shape) * np.dtype(self.storage.dtype).itemsize

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        elements = storages[self.storage.key][self.offset :]
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) > max(len(elements), 1):  # strides of 0 would repeat an element without end
            raise InputError("damaged: a tensor has more elements than its storage.")
        if 0 not in self.shape and last >= len(elements):
            raise InputError("damaged: a tensor reaches beyond its storage.")
        strides = [stride * elements.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements, self.shape, strides, writeable=False).copy()


class _StateDict(dict):
    """In place of ``collections.OrderedDict``; it ignores the attributes that a pickle sets, such as ``_metadata``."""

    def __init__(self) -> None:
        super().__init__()  # not a copy of another dict, of which a small file could make thousands

    def __setstate__(self, state: Any) -> None:
        pass


def _check_views(tensors: dict[str, _Tensor], storages: dict[str, np.ndarray]) -> None:
    size = sum(tensor.size for tensor in tensors.values())
    if size > _MAX_VIEWS * sum(storage.nbytes for storage in storages.values()):
        raise InputError("damaged: the tensors have more elements than their storages.")


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
            return _Tensor
        if module == "torch" and name in _DTYPES:
            return name
        raise InputError(f"refused: the file asks for {module}.{name}, which a state dict does not need.")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, name, key, _, elements, *view = pid
        if kind != "storage" or any(view) or not isinstance(key, str | int):
            raise InputError("not a plain state dict.")
        storage = _Storage(_DTYPES[name], str(key), int(elements))
        if self.storages.setdefault(storage.key, storage) != storage:
            raise InputError(f"damaged: two storages are named {storage.key}.")
        return storage

    def state_dict(self) -> dict[str, _Tensor]:
        found = self.load()
        if not isinstance(found, dict) or not all(
            isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in found.items()
        ):
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
        _check_members(archive, len(contents))
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
            storage.check_size(archive.getinfo(f"{folder}data/{key}").file_size)  # before it is read
            storages[key] = storage.array(archive.read(f"{folder}data/{key}"))
        return tensors, storages


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that holds more than its `size`: by compression, or by members that overlap."""
    members = archive.infolist()
    if any(
        member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size for member in members
    ):
        raise InputError("not a file of torch.save: its members are compressed.")
    if sum(member.file_size for member in members) > size:
        raise InputError("damaged: its members are larger than the file.")
