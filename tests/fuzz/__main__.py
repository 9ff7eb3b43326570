"""Fuzz readers: ``python -m tests.fuzz [--seconds 60] [TARGET …]``, all targets by default.

Each target runs in a process of its own. What fails is made small, kept as ``tests/fuzz/found/TARGET/…``, and from then
on is a test of `tests.fuzz.test_found`. Exit code 1 if anything was found.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

FOUND = Path(__file__).parent / "found"


def main() -> int:
    """Fuzz each target in a child, and keep what ended one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        return fuzz(options.targets[0], options.seconds)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tests.fuzz.targets import TARGETS

    failed = 0
    for name in options.targets or TARGETS:
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(options.seconds), "--in-this-process"]
        # A child that does not end hangs where no signal reaches Python.
        try:
            child = subprocess.run(command, timeout=options.seconds * 2 + 120, stderr=subprocess.PIPE)
            code = child.returncode
            if code:  # otherwise decoders only tell there what is wrong with each photo
                sys.stderr.buffer.write(child.stderr[-4000:])
        except subprocess.TimeoutExpired:
            code = -9
        if code not in (0, 1):
            print(f"{name}: ended by signal {-code}; its last input: {_keep(name, *_read_last(name))}", flush=True)
        failed += code != 0
    return int(failed > 0)


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target until the time is over or something fails."""
    from hypothesis import HealthCheck, given, seed, settings

    from tests.fuzz.targets import TARGETS

    target, count, started = TARGETS[name], 0, time.monotonic()

    @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs())
    def try_input(drawn: tuple[str, bytes]) -> None:
        nonlocal count
        count += 1
        _write_last(name, *drawn)
        target.check(*drawn)

    while time.monotonic() - started < seconds:
        try:
            seed(time.time_ns())(try_input)()
        except Exception:
            traceback.print_exc()
            print(f"{name}: failed after {count:,} inputs: {_keep(name, *_read_last(name))}")
            return 1
    print(f"{name}: {count:,} inputs in {time.monotonic() - started:.0f} s, none fails")
    return 0


def _last(name: str) -> Path:
    return Path(os.environ.get("TMPDIR", "/tmp")) / f"fuzzed-last-{name}"  # noqa: S108 - one file, overwritten


def _write_last(name: str, file: str, contents: bytes) -> None:
    _last(name).write_bytes(file.encode() + b"\n" + contents)


def _read_last(name: str) -> tuple[str, bytes]:
    file, _, contents = _last(name).read_bytes().partition(b"\n")
    return file.decode(), contents


def _keep(name: str, file: str, contents: bytes) -> Path:
    place = FOUND / name / f"{hashlib.sha256(contents).hexdigest()[:8]}-{file}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(contents)
    return place


if __name__ == "__main__":
    sys.exit(main())
