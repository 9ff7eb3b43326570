"""Write a small table in processes that are killed at one of the file operations that this takes.

python table_writer.py TABLE, with a line `new NUMBER` or `resume NUMBER` on its standard input for each process. It
prints their exit codes. It forks them, since importing takes longer than the table.
"""

import os
import signal
import sys
from pathlib import Path

from keras_sister.catalogue.resumable_table import Part, ResumableTable, TableCounts
from keras_sister.catalogue.rows import OF_EVERY_TABLE

COLUMNS = {"photo": str, **dict.fromkeys(OF_EVERY_TABLE, str)}
PARTS = [Part(number, [f"{number}-{row}.jpg" for row in range(2)]) for number in range(3)]
_OPERATIONS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")


def kill_at(number: int, folder: Path) -> None:
    """Have this process killed just before it does something in `folder` for the so manyth time."""
    left = number

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _OPERATIONS and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def write(out: Path, *, resume: bool, settings: str = "same") -> TableCounts:
    table = ResumableTable(out, COLUMNS, {"settings": settings})
    with table.opened(resume=resume):
        if table.is_finished:
            return TableCounts.of(list(table.previous_rows()))
        counts = [table.count(part) or table.write(part, rows(part)) for part in PARTS]
        total = TableCounts(sum(count.photos for count in counts), sum(count.errors for count in counts))
        table.finish(len(PARTS), total)
    return total


def rows(part: Part) -> list[dict[str, str | None]]:
    return [{"photo": photo, "error": "broken" if photo == "1-1.jpg" else None} for photo in part.photos]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    for line in sys.stdin:
        how, number = line.split()
        child = os.fork()
        if child == 0:
            kill_at(int(number), out.parent)
            write(out, resume=how == "resume")
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
