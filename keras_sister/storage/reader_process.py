"""Readers of foreign binary files, in a process of their own: a damaged file may crash a reader that is written in C.

SciPy's reader of MATLAB files and the HDF5 library read past the end of memory for some damaged files, which ends the
process with a segmentation fault and no message; and one flipped bit makes a struct of a billion elements, which they
set out to read. Here only the reader process ends, its time and memory are limited, and the caller gets an error that
names the file. The process is started once and kept, because a dataset has thousands of such files.
"""

import atexit
import contextlib
import importlib
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from keras_sister.errors import InputError
from keras_sister.storage.regular_files import check_regular

Reader = Callable[..., dict[str, np.ndarray]]
"""Takes a file and values that JSON can hold; returns arrays of numbers or text by name."""


def read_apart(reader: Reader, file: Path, *arguments: int | str) -> dict[str, np.ndarray]:
    """Call ``reader(file, *arguments)`` in the reader process.

    Args:
        reader: a function of a module of this package.
        file: handed to the reader, and named in the error if the process crashes.
        arguments: further arguments of the reader.

    Raises:
        InputError: that of the reader, or one that says that the file is damaged, if the reader crashed.

    Example:
        >>> read_apart(read_vector, Path("DCSA/labels/scarf_GT.mat"))["GT"].shape
        (1856, 1)
    """
    check_regular(file)
    request = {
        "reader": f"{reader.__module__}:{reader.__qualname__}",
        "arguments": [str(file), *arguments],
        "folder": str(Path.cwd()),  # which may have changed since the reader process was started
    }
    with _LOCK:
        answer, content = _ask(request, file)
    if "error" in answer:
        raise InputError(answer["error"])
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


class _Process:
    """The reader process and the pipes to it."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", "-m", __name__]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - no shell
        self.questions = cast(IO[bytes], self.child.stdin)
        self.answers = cast(IO[bytes], self.child.stdout)
        self.owner = os.getpid()

    def usable(self) -> bool:
        """False after a fork, and where the child was killed while it waited."""
        return self.owner == os.getpid() and self.child.poll() is None

    def close(self) -> None:
        """End the child."""
        if self.owner == os.getpid():
            self.child.kill()
            self.child.wait()
        for pipe in (self.questions, self.answers):
            with contextlib.suppress(BrokenPipeError):  # the rest of a request that nobody reads
                pipe.close()


_LOCK = threading.Lock()
_process: _Process | None = None


def _ask(request: dict[str, Any], file: Path) -> tuple[dict[str, Any], bytes]:
    process = _running()
    try:
        process.questions.write(json.dumps(request).encode() + b"\n")
        process.questions.flush()
        answer = json.loads(process.answers.readline())
        return answer, process.answers.read(answer.get("bytes", 0))
    except (BrokenPipeError, json.JSONDecodeError) as error:
        raise InputError(f"{file}: {_ended(process)}") from error
    except BaseException:  # interrupted between question and answer: the next answer would be the wrong one
        _stop()
        raise


def _running() -> _Process:
    global _process
    if _process is None or not _process.usable():
        _stop()
        _process = _Process()
    return _process


def _ended(process: _Process) -> str:
    code = process.child.wait()
    _stop()
    if code >= 0:
        return f"reading it ended the reader with exit code {code}."
    name = signal.Signals(-code).name
    if -code == signal.SIGPROF:
        return "reading it takes too long; it is damaged."
    if -code in _CRASHES:
        return f"damaged; reading it crashed the reader ({name})."
    return f"the reader was ended by {name}, perhaps because memory ran out; try again."


_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}


@atexit.register
def _stop() -> None:
    global _process
    if _process is not None:
        _process.close()
    _process = None


def main() -> None:
    """Answer requests from standard input until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the caller decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    for line in sys.stdin.buffer:
        answer, content = _answer(json.loads(line))
        answers.write(json.dumps(answer).encode() + b"\n" + content)
        answers.flush()


_SECONDS, _SECONDS_A_MEGABYTE = 5, 1
"""Of computing, so that a busy machine does not matter; 100,000 names in 140 kB take 1, a network of 500 MB 10."""

_BYTES, _BYTES_A_BYTE = 1 << 28, 8
"""More than the process has; a whole file needs four times its size."""


@contextlib.contextmanager
def _limited(size: int) -> Iterator[None]:
    """Limit time and memory for reading a file of `size` bytes; when the time is up, SIGPROF ends the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status")  # of Linux; elsewhere memory has no limit
    used = re.search(r"VmData:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if used:
        limit = int(used[1]) * 1024 + _BYTES + _BYTES_A_BYTE * size
        resource.setrlimit(resource.RLIMIT_DATA, (limit if soft == resource.RLIM_INFINITY else min(limit, soft), hard))
    signal.setitimer(signal.ITIMER_PROF, _SECONDS + _SECONDS_A_MEGABYTE * size / 1e6)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    module, _, name = request["reader"].partition(":")
    file, *arguments = request["arguments"]
    try:
        os.chdir(request["folder"])
        reader = getattr(importlib.import_module(module), name)
        with _limited(Path(file).stat().st_size if Path(file).exists() else 0):
            arrays = reader(Path(file), *arguments)
    except InputError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        return {"error": f"{file}: needs more memory than there is; it is damaged or too large."}, b""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return {"bytes": content.tell()}, content.getvalue()


if __name__ == "__main__":
    main()
