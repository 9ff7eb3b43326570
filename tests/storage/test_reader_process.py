import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from keras_sister.data.dcsa import read_ground_truth
from keras_sister.data.segmentation.voc import read_sbd_mask
from keras_sister.errors import InputError
from keras_sister.storage import reader_process
from keras_sister.storage.reader_process import read_apart


@pytest.fixture(autouse=True)
def new_process() -> None:
    """One that another test started in another folder would not find the readers below."""
    reader_process._stop()


def crash(file: Path) -> dict[str, np.ndarray]:
    """A reader that reads where there is no memory."""
    ctypes.string_at(0)
    return {}


def end(file: Path) -> dict[str, np.ndarray]:
    os._exit(3)


def texts(file: Path, count: int) -> dict[str, np.ndarray]:
    print("a library that prints")
    return {"names": np.asarray([file.name] * count)}


def write(file: Path, values: np.ndarray) -> Path:
    scipy.io.savemat(file, {"GT": values})
    return file


def test_arrays_arrive_as_they_are(tmp_path):
    values = np.array([[1.0], [np.nan], [3.0]])
    np.testing.assert_array_equal(read_apart(read_ground_truth, write(tmp_path / "a.mat", values))["GT"], values)
    (tmp_path / "größe.mat").touch()
    assert read_apart(texts, tmp_path / "größe.mat", 3)["names"].tolist() == ["größe.mat"] * 3


def test_a_crash_ends_in_one_line_with_the_file_and_the_next_file_is_read(tmp_path):
    good = write(tmp_path / "good.mat", np.ones((4, 1)))
    (tmp_path / "bad.mat").touch()
    for reader, said in (
        (crash, "damaged; reading it crashed the reader (SIGSEGV)."),
        (end, "reading it ended the reader with exit code 3."),
    ):
        with pytest.raises(InputError) as error:
            read_apart(reader, tmp_path / "bad.mat")
        assert str(error.value) == f"{tmp_path / 'bad.mat'}: {said}"
        assert read_apart(read_ground_truth, good)["GT"].shape == (4, 1)


def forever(file: Path) -> dict[str, np.ndarray]:
    """A reader that has a fifth of a second left, and needs more."""
    signal.setitimer(signal.ITIMER_PROF, 0.2)
    while True:
        pass


def limits(file: Path) -> dict[str, np.ndarray]:
    return {"seconds": np.array(signal.getitimer(signal.ITIMER_PROF)[0])}


def fill_memory(file: Path) -> dict[str, np.ndarray]:
    return {"values": np.ones(1 << 28)}


def test_a_file_that_keeps_its_reader_busy_is_given_up(tmp_path):
    (tmp_path / "bad.mat").write_bytes(bytes(2_000_000))
    assert 5 < read_apart(limits, tmp_path / "bad.mat")["seconds"] < 7.1  # of computing
    with pytest.raises(InputError) as error:
        read_apart(forever, tmp_path / "bad.mat")
    assert str(error.value) == f"{tmp_path / 'bad.mat'}: reading it takes too long; it is damaged."


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_small_file_does_not_fill_the_memory(tmp_path):
    """One flipped bit makes a struct of 536,870,913 elements, which SciPy sets out to read."""
    file = tmp_path / "bad.mat"
    file.touch()
    with pytest.raises(InputError, match=r"bad\.mat: needs more memory than there is; it is damaged or too large"):
        read_apart(fill_memory, file)
    scipy.io.savemat(file, {"GTcls": {"Segmentation": np.zeros((9, 11), np.uint8)}})
    whole = file.read_bytes()
    read_apart(read_sbd_mask, file)
    place = whole.index(b"\5\0\0\0\x08\0\0\0\1\0\0\0") + 8  # the struct's number of rows
    file.write_bytes(whole[: place + 3] + b"\x20" + whole[place + 4 :])
    with pytest.raises(InputError, match=r"bad\.mat: .* memory"):
        read_apart(read_sbd_mask, file)


def test_one_process_reads_all_files(tmp_path):
    files = [write(tmp_path / f"{i}.mat", np.full((3, 1), float(i))) for i in range(20)]
    read_apart(read_ground_truth, files[0])
    before = reader_process._process
    found: dict[int, float] = {}

    def read(i: int) -> None:
        found[i] = float(read_apart(read_ground_truth, files[i])["GT"][0, 0])

    threads = [threading.Thread(target=read, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: float(i) for i in range(20)}
    assert reader_process._process is before


def test_no_flipped_byte_ends_this_process(tmp_path):
    """Of files like these about one in fifty crashed SciPy's reader, for example where the first type is 0."""
    rng = np.random.default_rng(0)
    whole = write(tmp_path / "whole.mat", rng.integers(1, 3, (50, 1)).astype(float)).read_bytes()
    first_type_is_zero = whole[:128] + bytes(4) + whole[132:]
    damaged = [first_type_is_zero]
    for place in rng.integers(0, len(whole), 60):
        damaged.append(whole[:place] + bytes([int(rng.integers(256))]) + whole[place + 1 :])
    messages = []
    for content in damaged:
        file = tmp_path / "damaged.mat"
        file.write_bytes(content)
        try:
            read_apart(read_ground_truth, file)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert all(message.startswith(f"{file}: ") and len(message.splitlines()) == 1 for message in messages)


def test_a_reader_that_was_killed_while_it_waited_is_started_again(tmp_path):
    file = write(tmp_path / "a.mat", np.ones((2, 1)))
    read_apart(read_ground_truth, file)
    reader_process._process.child.kill()
    reader_process._process.child.wait()
    assert read_apart(read_ground_truth, file)["GT"].shape == (2, 1)
