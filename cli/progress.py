"""How a run gets on: bars on a terminal, a line now and then where the output is a file or a pipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


class RunProgress:
    """Shows the events of a run (see `keras_sister.run.OnEvent`) on standard error.

    Example:
        >>> with RunProgress(folds=16) as progress:
        ...     cross_validate(dataset, experiment, out, on_event=progress.show)
    """

    def __init__(self, *, folds: int | None = None, go_on: str = "with --resume") -> None:
        self.console = Console(stderr=True)
        self.folds = folds
        self.go_on = go_on
        self.bars = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.started = time.monotonic()
        self.ids = {
            name: self.bars.add_task(name, visible=False, note="")
            for name in ("photos", "masks", "folds", "epochs", "steps", "scored")
        }

    def __enter__(self) -> "RunProgress":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bars.stop()
        if kind is KeyboardInterrupt:
            _say_how_to_go_on(self.console, self.go_on)

    def show(self, event: dict[str, Any]) -> None:
        """Take one event."""
        getattr(self, f"_{event['event']}")(event)

    def _photos(self, event: dict[str, Any]) -> None:
        self._update("photos", event["photos"], event["of"], "decoded and segmented")
        if event["photos"] == event["of"]:
            self._line(f"{event['of']} photos in the view store")

    def _counted(self, event: dict[str, Any]) -> None:
        self._update(event["what"], event["done"], event["of"], "")

    def _without_person(self, event: dict[str, Any]) -> None:
        if event["photos"]:
            self.console.print(
                f"No person found in {event['photos']} of {event['of']} photos, which stay unchanged;"
                " views.json lists them.",
                highlight=False,
            )

    def _step(self, event: dict[str, Any]) -> None:
        self._update("steps", event["step"], event["steps"], f"loss {event['loss']:.4f}")

    def _epoch(self, event: dict[str, Any]) -> None:
        scores = {"macc": "MACC", "val_macc": "on the inner split", "pixel_accuracy": "pixel accuracy"}
        note = ", ".join(f"{text} {100 * event[name]:.2f}" for name, text in scores.items() if name in event)
        self._update("epochs", event["epoch"] + 1, event["epochs"], note)
        self._line(
            f"{event.get('task', 'epoch')} {event['epoch'] + 1}/{event['epochs']}: loss {event['loss']:.4f}, {note}"
        )

    def _done(self, event: dict[str, Any]) -> None:
        if self.folds is not None:
            self._update("folds", event["fold"] + 1, self.folds, "")
        self._line(f"{event['task']}: done")

    def _update(self, name: str, completed: int, total: int, note: str) -> None:
        self.bars.update(self.ids[name], completed=completed, total=total, note=note, visible=True)

    def _line(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(f"[{time.monotonic() - self.started:6.0f} s] {text}", markup=False, highlight=False)


@contextmanager
def count(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar for so many equal steps; yields what to call after each."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<9}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def going_through(what: str) -> Iterator[Callable[[int], None]]:
    """How many of a number that nobody knows, and how many a second; yields what to tell of so many more.

    For what goes on with ``--resume``.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.completed:,.0f} {task.description}"),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            yield partial(bar.advance, bar.add_task(what, total=None))
    except KeyboardInterrupt:
        _say_how_to_go_on(console, "with --resume")
        raise


def _say_how_to_go_on(console: Console, go_on: str) -> None:
    console.print(f"Interrupted. What was finished is kept; go on {go_on}.")
