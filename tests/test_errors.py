import click
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from cli.main import main
from keras_sister.errors import is_out_of_memory, reason_of


@pytest.mark.parametrize(
    "exhaust",
    [lambda: bytearray(1 << 60), lambda: np.zeros(1 << 56), lambda: tf.zeros(1 << 56)],
)
def test_exhausted_memory_is_known_by_its_errors_and_one_line(monkeypatch, exhaust):
    caught = []

    def noted() -> None:
        try:
            exhaust()
        except Exception as error:
            caught.append(error)
            raise

    monkeypatch.setitem(main.commands, "exhaust", click.command()(noted))
    result = CliRunner().invoke(main, ["exhaust"])  # once: TensorFlow waits ten seconds for memory
    assert is_out_of_memory(*caught)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("Error: out of memory. ")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError(), "ValueError"),
        (ValueError("\n \n"), "ValueError"),
        (ValueError("\n  bad\tblock.\nin line 3"), "bad block"),
        (FileNotFoundError(2, "No such file or directory", "x"), "No such file or directory"),
        (OSError("truncated\r\nfile"), "truncated"),
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), "No space left on device"),
        (
            tf.errors.ResourceExhaustedError(None, None, "{{node SaveV2}} /x; No space left on device"),
            "No space left on device",
        ),
        (MemoryError(), "it needs more memory than there is"),
        (ValueError("x" * 10_000), "x" * 199 + "…"),
    ],
)
def test_what_other_libraries_say_becomes_one_short_line(error, reason):
    assert reason_of(error) == reason


def test_a_full_disk_is_not_taken_for_exhausted_memory(tmp_path, monkeypatch):
    (tmp_path / "full").symlink_to("/dev/full")

    def fill():
        tf.io.write_file(str(tmp_path / "full"), b"x" * 1_000_000)

    with pytest.raises(tf.errors.OpError) as caught:
        fill()
    assert reason_of(caught.value) == "No space left on device"
    assert not is_out_of_memory(caught.value)
    monkeypatch.setitem(main.commands, "fill", click.command()(fill))
    result = CliRunner().invoke(main, ["fill"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("Error: No space left on device. Free some space")
