import itertools
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from keras_sister.catalogue.resumable_table import ResumableTable, TableCounts
from keras_sister.errors import InputError

from .table_writer import COLUMNS, PARTS, rows, write

SCRIPT = Path(__file__).with_name("table_writer.py")
WHOLE = (
    b"photo,tags,not_sure,person_share,error,fingerprint\r\n"
    b"0-0.jpg,,,,,\r\n0-1.jpg,,,,,\r\n1-0.jpg,,,,,\r\n1-1.jpg,,,,broken,\r\n2-0.jpg,,,,,\r\n2-1.jpg,,,,,\r\n"
)


@pytest.fixture
def killed_at(tmp_path: Path) -> Iterator[Callable[[int, str], bool]]:
    """Whether a process that writes the table ``t.csv`` has so many file operations to be killed at."""
    command = [sys.executable, "-P", str(SCRIPT), str(tmp_path / "t.csv")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as writer:

        def ask(number: int, how: str) -> bool:
            writer.stdin.write(f"{how} {number}\n")
            code = int(writer.stdout.readline())
            assert code in (0, -signal.SIGKILL)
            return code != 0

        yield ask


def test_killed_at_any_operation_and_gone_on_with_it_is_whole(tmp_path, killed_at):
    out, parts = tmp_path / "t.csv", tmp_path / "t.csv.parts"
    for number in itertools.count(1):
        if not killed_at(number, "new"):
            break
        if (parts / "settings.json").exists():
            for resume, fault in ((True, "another export"), (False, "already exists|unfinished")):
                with pytest.raises(InputError, match=fault):
                    write(out, resume=resume, settings="another")
            killed_at(number % 7 + 1, "resume")
        else:
            assert not list(parts.glob("0*"))  # no job can take them for its own
        assert write(out, resume=True) == TableCounts(photos=6, errors=1)
        assert out.read_bytes() == WHOLE
        assert {path.name for path in tmp_path.iterdir()} <= {"t.csv", "t.csv.parts"}
        out.unlink()
        shutil.rmtree(parts, ignore_errors=True)
    assert number > 25
    assert out.read_bytes() == WHOLE
    assert not parts.exists()


def test_a_part_whose_table_is_lost_or_whose_count_is_damaged_is_made_again(tmp_path):
    table = ResumableTable(tmp_path / "t.csv", COLUMNS, {})
    with table.opened(resume=False):
        for part in PARTS:
            table.write(part, rows(part))
        (tmp_path / "t.csv.parts" / "000000.csv").unlink()
        (tmp_path / "t.csv.parts" / "000001.json").write_text("")
        assert [table.count(part) for part in PARTS] == [None, None, TableCounts(2, 0)]


def test_two_at_once_are_not_let_in(tmp_path):
    out = tmp_path / "t.csv"
    (tmp_path / "t.csv.parts").mkdir()
    with FileLock(tmp_path / "t.csv.parts" / ".lock"), pytest.raises(InputError, match="another process is working"):
        write(out, resume=False)
    assert write(out, resume=False).photos == 6


def test_a_folder_that_is_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "t.csv.parts").mkdir()
    (tmp_path / "t.csv.parts" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not from a job"):
        write(tmp_path / "t.csv", resume=False)
    assert [path.name for path in (tmp_path / "t.csv.parts").iterdir()] == ["mine.txt"]


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_cannot_be_written_is_said_and_nothing_is_lost(tmp_path, kind):
    out = tmp_path / f"t.{kind}"
    table = ResumableTable(out, COLUMNS, {})
    with table.opened(resume=False):
        table.write(PARTS[0], rows(PARTS[0]))
    long = [{"photo": 10_000 * "x", "error": None}]
    with no_file_over(4_000), pytest.raises(InputError, match=r"cannot be written: .*--resume"):  # noqa: SIM117
        with table.opened(resume=True):
            table.write(PARTS[1], [{**row, "photo": str(i)} for i, row in enumerate(long * 2_000)])
    with table.opened(resume=True):
        assert [table.count(part) for part in PARTS] == [TableCounts(2, 0), None, None]
    names = {path.name for path in (tmp_path / f"t.{kind}.parts").iterdir()}
    assert names == {"settings.json", ".lock", f"000000.{kind}", "000000.json"}


@pytest.mark.parametrize("error", [InputError("no export"), KeyboardInterrupt()])
def test_a_job_that_ends_before_its_first_part_leaves_nothing_to_resume(tmp_path, error):
    table = ResumableTable(tmp_path / "t.csv", COLUMNS, {})

    def fail_after(parts: int) -> None:
        with table.opened(resume=False):
            for part in PARTS[:parts]:
                table.write(part, rows(part))
            raise error

    with pytest.raises(type(error)):
        fail_after(0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(type(error)):
        fail_after(1)
    with table.opened(resume=True):
        assert table.count(PARTS[0]) == TableCounts(2, 0)
