"""``sister-keras``: the commands, in the order one uses them."""

import io
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from keras_sister import __version__
from keras_sister.errors import InputError, is_disk_full, is_out_of_memory
from keras_sister.storage.disk_errors import disk_error

from .app import app
from .cache import cache
from .compare import compare
from .compare_exports import compare_exports
from .cv import cv
from .data import data
from .evaluate import evaluate
from .explain import explain
from .export import export
from .query import query
from .report import report
from .reproduce import reproduce
from .segment import segment
from .tag import tag
from .thresholds import thresholds
from .train import train


class _Commands(click.Group):
    """Shows commands in the order they were added, and user errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if not Path(os.path.expanduser("~")).is_absolute():  # noqa: PTH111 - raises nothing
            os.environ.setdefault("KERAS_HOME", tempfile.gettempdir())  # else Keras makes a folder named ~ here
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # show a substitute for characters that the terminal lacks
                stream.reconfigure(errors="replace")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # allocate what is needed, not the whole GPU
        interrupts = _note_interrupts()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)  # 128 + SIGINT, as shells have it; click would exit with 1
        except Exception as error:
            if interrupts and not isinstance(error, click.exceptions.Exit):
                ctx.exit(130)  # while a library in C is imported, it makes an error of its own of an interrupt
            if isinstance(error, BrokenPipeError):  # nobody listens any more
                sys.stderr.close()
            elif message := _message_of(error):
                raise click.ClickException(message) from error
            raise


def _note_interrupts() -> list[int]:
    """Treat SIGTERM as Ctrl-C, so that nothing half stays behind; the result gets the signals that come."""
    interrupts: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as shells have it for commands in the background
            signal.signal(signal.SIGINT, interrupt)
    return interrupts


def _message_of(error: Exception) -> str | None:
    """What to tell of an error that a user can mend; None for any other."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) or is_disk_full(error):
        return str(disk_error(error))
    if is_out_of_memory(error):
        return "out of memory. Close other programs, or choose a smaller size or batch."
    return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sister-keras")
def main() -> None:
    """Tag fashion photos with attributes, from the whole photo and the person without the background.

    \b
    sister-keras data street street --photos 400
    sister-keras segment train street --out fcn
    sister-keras cv street --system sister_a --segmenter fcn --size 96 \\
        --backbone resnet_mini --person-backbone resnet_mini --weights none \\
        --folds 4 --learning-rate 1e-3
    """


for command in (
    data,
    segment,
    cv,
    evaluate,
    compare,
    thresholds,
    report,
    reproduce,
    train,
    export,
    compare_exports,
    tag,
    explain,
    app,
    query,
    cache,
):
    main.add_command(command)
