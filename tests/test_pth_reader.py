"""State dicts that are written here byte by byte, in both formats of ``torch.save``, and files that are none."""

import io
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sister.backbones.pth_reader import read_pth
from keras_sister.errors import InputError
from keras_sister.storage.pth_file import read_tensors

ARRAYS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "a.bias": np.float64([0.5, -2]),
    "half": np.float16([[1.5]]),
    "count": np.array(7, np.int64),
    "ints": np.arange(3, dtype=np.int32),
    "none": np.zeros((0, 4), np.float32),
}
STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage", "i4": "IntStorage"}


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(key: str, array: np.ndarray, *, legacy: bool) -> bytes:
    """Pickle opcodes that call torch._utils._rebuild_tensor_v2, as torch.save writes them."""
    strides = tuple(stride // array.itemsize for stride in array.strides)
    storage = f"ctorch\n{STORAGES[array.dtype.str[1:]]}\n".encode()
    persistent = b"(" + text("storage") + storage + text(key) + text("cpu") + number(array.size)
    persistent += (b"N" if legacy else b"") + b"tQ"
    arguments = b"(" + persistent + number(0) + numbers(array.shape) + numbers(strides) + b"\x89" + b"}" + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def state_dict(arrays: dict[str, np.ndarray], *, legacy: bool) -> bytes:
    items = b"".join(
        text(name) + tensor(str(key), array, legacy=legacy) for key, (name, array) in enumerate(arrays.items())
    )
    metadata = b"}" + text("_metadata") + b"}sb"  # torch sets this attribute of the OrderedDict
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u" + metadata + b"."


def legacy_file(arrays: dict[str, np.ndarray]) -> bytes:
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    pickles = [pickle.dumps(part, protocol=2) for part in head]
    keys = pickle.dumps([str(key) for key in range(len(arrays))], protocol=2)
    contents = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in arrays.values())
    return b"".join(pickles) + state_dict(arrays, legacy=True) + keys + contents


def zip_file(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", state_dict(arrays, legacy=False))
        archive.writestr("model/byteorder", "little")
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"model/data/{key}", array.tobytes())
    return file.getvalue()


@pytest.mark.parametrize("write", [legacy_file, zip_file])
def test_arrays_come_back(write, tmp_path):
    (tmp_path / "x.pth").write_bytes(write(ARRAYS))
    found = read_pth(tmp_path / "x.pth")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("write", [legacy_file, zip_file])
def test_every_truncated_file_is_one_line(write, tmp_path):
    whole = write(ARRAYS)
    for length in {*range(0, len(whole), 7), *range(len(whole) - 40, len(whole))}:
        (tmp_path / "x.pth").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"x\.pth: ") as caught:
            read_pth(tmp_path / "x.pth")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        b"cposix\nsystem\n(X\x0b\x00\x00\x00touch calledtR",
        b"cbuiltins\neval\n(X\x04\x00\x00\x001+12tR",
        b"ctorch\nload\n)R",
        b"ccollections\nCounter\n)R",
        b"\x8c\x02os\x8c\x06system\x93(X\x0b\x00\x00\x00touch calledtR",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_nothing_in_a_file_is_called(call, place, tmp_path, monkeypatch):
    """In any of the pickles; and no other name is admitted than the few of a state dict."""
    monkeypatch.chdir(tmp_path)
    parts = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {})]
    parts[place] = b"\x80\x04" + call + b"."
    (tmp_path / "x.pth").write_bytes(b"".join(parts))
    with pytest.raises(InputError, match=r"refused: the file asks for \w+"):
        read_pth(tmp_path / "x.pth")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"\x89HDF\r\n\x1a\n", pickle.dumps({"a": 1})])
def test_files_of_other_kinds_are_refused(content, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pth: not a") as caught:
        read_pth(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file(tmp_path):
    for path in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(InputError):
            read_pth(path)


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x7f", b"q\xff", b"p99999999\n"])
def test_a_place_in_memory_that_no_pickle_needs_is_not_reserved(put, tmp_path):
    """Python's unpickler reserves eight bytes for each place before it: a flipped byte took 21 GB."""
    pickles = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    (tmp_path / "x.pth").write_bytes(b"".join(pickles) + b"\x80\x02}" + put + b".")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, limits[1]))
    try:
        with pytest.raises(InputError, match=r"x\.pth: not a PyTorch state dict, or damaged\.$"):
            read_tensors(tmp_path / "x.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_an_element_is_not_repeated_without_end(tmp_path):
    """A tensor of one element, whose size was changed and whose stride is 0."""
    whole = legacy_file({"a": np.ones((1, 1), np.float32)})
    many = whole.replace(numbers((1, 1)) + numbers((1, 1)), numbers((2**31 - 1, 1)) + numbers((0, 1)))
    (tmp_path / "x.pth").write_bytes(many)
    assert many != whole
    with pytest.raises(InputError, match=r"x\.pth: damaged: the tensors have more elements than their storages"):
        read_pth(tmp_path / "x.pth")


HEAD = b"".join(pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        (b"})" + b"2\x86" * 60 + b"Ns", "takes too long"),  # a key of tuples in tuples, whose hash takes 2**60 steps
        (b"})" + b"\x85" * 1_000_000 + b"Ns", "crashed the reader|not a PyTorch state dict"),
    ],
)
def test_a_pickle_that_keeps_its_reader_busy_or_crashes_it_is_one_line(instructions, said, tmp_path):
    (tmp_path / "x.pth").write_bytes(HEAD + b"\x80\x02" + instructions + b".")
    with pytest.raises(InputError, match=rf"x\.pth: .*({said})") as caught:
        read_pth(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)
    (tmp_path / "good.pth").write_bytes(legacy_file(ARRAYS))
    assert list(read_pth(tmp_path / "good.pth")) == list(ARRAYS)


@pytest.mark.parametrize("member", ["model/data.pkl", "model/byteorder", "model/data/0", "model/other"])
def test_a_compressed_member_is_not_unpacked(member, tmp_path):
    """torch.save stores them as they are."""
    with zipfile.ZipFile(io.BytesIO(zip_file(ARRAYS))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | {"model/other": b""}
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if name == member else zipfile.ZIP_STORED)
    with pytest.raises(InputError, match=r"x\.pth: not a file of torch\.save: its members are compressed\.$"):
        read_pth(tmp_path / "x.pth")


def test_members_that_overlap_are_not_read(tmp_path):
    """Directory entries that all name the bytes of one member."""
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("model/data.pkl", state_dict(ARRAYS, legacy=False))
        archive.writestr("model/data/0", bytes(10_000))
        archive.filelist += [archive.getinfo("model/data/0")] * 10
    with pytest.raises(InputError, match=r"x\.pth: damaged: its members are larger than the file\.$"):
        read_pth(tmp_path / "x.pth")


@pytest.mark.parametrize(("copies", "is_read"), [(2, True), (3, False)])
def test_a_storage_is_not_copied_for_thousands_of_tensors(copies, is_read, tmp_path):
    """Tied weights, which are two names of one storage, are read."""
    array = np.arange(5, dtype=np.float32)
    items = b"".join(text(f"t{number}") + tensor("0", array, legacy=True) for number in range(copies))
    keys = pickle.dumps(["0"], protocol=2)
    content = HEAD + b"\x80\x02}(" + items + b"u." + keys + struct.pack("<q", 5) + array.tobytes()
    (tmp_path / "x.pth").write_bytes(content)
    if is_read:
        assert [found.tolist() for found in read_pth(tmp_path / "x.pth").values()] == [array.tolist()] * copies
        return
    with pytest.raises(InputError, match=r"x\.pth: damaged: the tensors have more elements than their storages"):
        read_pth(tmp_path / "x.pth")


@pytest.mark.parametrize("name", [b"collections\nOrderedDict", b"torch._utils\n_rebuild_tensor_v2"])
@pytest.mark.parametrize("method", ["items", "values", "array", "__init__", "__defaults__"])
def test_a_file_changes_nothing_for_the_next(name, method, tmp_path):
    """BUILD with a pair as its state sets attributes, of a class too."""
    state = b"N}" + text(method) + b"Ns\x86b"
    (tmp_path / "x.pth").write_bytes(HEAD + b"\x80\x02c" + name + b"\n" + state + b".")
    (tmp_path / "good.pth").write_bytes(legacy_file(ARRAYS))
    with pytest.raises(InputError):
        read_pth(tmp_path / "x.pth")
    assert list(read_pth(tmp_path / "good.pth")) == list(ARRAYS)


@pytest.mark.parametrize("count", [0, 2])
def test_a_tensor_cannot_be_changed_after_it_was_checked(count, tmp_path):
    array = np.ones(1, np.float32)
    pair = (b"N" if count else b"") + b"}" + text("shape") + b")s" + (b"\x86" if count else b"")
    whole = legacy_file({"a": array})
    made = tensor("0", array, legacy=True)
    (tmp_path / "x.pth").write_bytes(whole.replace(made, made + pair + b"b"))
    with pytest.raises(InputError, match=r"x\.pth: refused: the file sets attributes"):
        read_pth(tmp_path / "x.pth")


@pytest.mark.parametrize("shape", [(1,) * 40, (-1,)])
def test_dimensions_that_no_tensor_has_are_refused(shape, tmp_path):
    whole = legacy_file({"a": np.ones(1, np.float32)})
    (tmp_path / "x.pth").write_bytes(whole.replace(numbers((1,)) * 2, numbers(shape) + numbers((1,) * len(shape))))
    with pytest.raises(InputError, match=r"x\.pth: damaged: a tensor"):
        read_pth(tmp_path / "x.pth")


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, len(legacy_file(ARRAYS)) - 1), value=st.integers(0, 255))
def test_a_changed_byte_gives_arrays_or_one_line(place, value, tmp_path_factory):
    damaged = bytearray(legacy_file(ARRAYS))
    damaged[place] = value
    file = tmp_path_factory.mktemp("damaged") / "x.pth"
    file.write_bytes(damaged)
    problem = ""
    try:
        assert all(isinstance(array, np.ndarray) for array in read_pth(file).values())
    except InputError as error:
        problem = str(error)
    assert "\n" not in problem
