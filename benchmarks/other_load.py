"""What other processes do meanwhile: a figure that was measured beside a busy one is worthless."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class OtherLoad:
    """Cores that other processes kept busy since the last call. On Linux; elsewhere it is unknown.

    Args:
        processes: ids of our own processes, beside this one.
    """

    def __init__(self, processes: Iterable[int] = ()) -> None:
        self.processes = [os.getpid(), *processes]
        self.cores()

    def cores(self) -> float | None:
        """The mean since the last call or the start; None where the system does not tell."""
        if not Path("/proc/stat").exists():
            return None
        now, busy = time.monotonic(), _all_ticks() - sum(map(_own_ticks, self.processes))
        before = getattr(self, "before", None)
        self.before = now, busy
        return None if before is None else max(0.0, (busy - before[1]) / _TICKS / (now - before[0]))


def refuse_if_busy(*, anyway: bool, seconds: float = 3.0) -> None:
    """End the program if another process is busy now, unless `anyway`.

    Raises:
        SystemExit: with a message.
    """
    load = OtherLoad()
    time.sleep(seconds)
    cores = load.cores()
    if cores is None or cores < 0.1:
        return
    message = f"Other processes keep {cores:.1f} of {os.cpu_count()} cores busy: figures would be worthless."
    if not anyway:
        raise SystemExit(f"{message} Wait for them, or add --anyway to try the program.")
    print(f"{message} Do not publish them.\n")


def _all_ticks() -> int:
    """User, nice, system, interrupt and steal time of all processes."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(fields[:3]) + sum(fields[5:8])


def _own_ticks(process: int) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:  # it has ended
        return 0
    return int(fields[11]) + int(fields[12])
