"""Progress on standard error: bars on a terminal; in a file or pipe a line after a second, then every 30."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from keras_sister.config import Experiment
from keras_sister.errors import counted

if TYPE_CHECKING:
    from keras_sister.run import OnEvent

_FIRST, _INTERVAL = 1.0, 30.0  # seconds until the first line, and between two, where the output is no terminal
_WARM_UP = 5.0  # seconds in which the first batches, slower than those that follow, would make a wrong rate


class _Lines:
    """Lines of progress for output that is no terminal: count, rate and remaining time."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = time.monotonic()
        self.due = self.started + _FIRST
        self.counted: dict[str, tuple[float, int, int]] = {}  # since when, from what count, the last count

    def update(self, what: str, done: int, total: int | None) -> None:
        """Take a count; print it if a line is due: any line, of whatever kind, puts the next one off."""
        now = time.monotonic()
        since, first, last = self.counted.get(what, (now, done, done))
        if done < last:  # counting starts again, for example in the next epoch
            since, first = now, done
        self.counted[what] = (since, first, done)
        if now < self.due:
            return
        rate = (done - first) / (now - since) if now - since > _WARM_UP else 0.0
        text = f"{done:,} {what}" if total is None else f"{done:,} of {total:,} {what}"
        if rate:
            text += f", {rate:.3g} per second"
            if total is not None:
                text += f", about {_duration((total - done) / rate)} left"
        self.print(text)

    def print(self, text: str) -> None:
        """Print a line with the time since the start."""
        now = time.monotonic()
        self.due = now + _INTERVAL
        self.console.print(f"[{now - self.started:6.0f} s] {text}", markup=False, highlight=False, soft_wrap=True)


class RunProgress:
    """Shows the events of a run, or of several at once (see `keras_sister.run.OnEvent`), on standard error.

    What is counted is the sum over the tasks that are at work at the same time, of all runs.

    Example:
        >>> with RunProgress(folds=16) as progress:
        ...     cross_validate(dataset, experiment, out, on_event=progress.show)
    """

    def __init__(self, *, runs: int = 1, folds: int | None = None, how_to_resume: str = "with --resume") -> None:
        self.console = Console(stderr=True)
        self.lines = None if self.console.is_terminal else _Lines(self.console)
        self.runs, self.begun, self.ended = runs, 0, 0
        self.folds, self.folds_done = folds, 0
        self.at_work: dict[str, dict[str, tuple[int, int]]] = {}  # by what is counted and by task: how many of how many
        self.how_to_resume = how_to_resume
        self.bars = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.ids = {
            name: self.bars.add_task(name, visible=False, note="")
            for name in ("photos", "masks", "features", "folds", "epochs", "steps", "scored", "predicted", "megabytes")
        }

    def __enter__(self) -> "RunProgress":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bars.stop()
        if kind is KeyboardInterrupt:
            _say_how_to_resume(self.console, self.how_to_resume)

    @contextmanager
    def of_run(self, folder: Path) -> Iterator["OnEvent"]:
        """Show a run while it takes place; yields a function that takes its events.

        One of several runs is announced when it begins, and lines have its name.
        """
        self.begun += 1
        if self.runs == 1:
            yield self.show
            return
        self.console.print(f"{self.begun} of {self.runs}: {folder}", highlight=False, markup=False, soft_wrap=True)
        yield lambda event: self.show({**event, "run": folder.name})
        for counts in self.at_work.values():
            for task in [task for task in counts if task.startswith(f"{folder.name} ")]:
                del counts[task]

    @contextmanager
    def results(self) -> Iterator[None]:
        """Take the bars off the terminal while the results of a run are printed there; other runs bring them back."""
        if self.console.is_terminal:
            self.bars.stop()
        yield
        self.ended += 1
        if self.console.is_terminal and self.ended < self.runs:
            self.bars.start()

    def show(self, event: dict[str, Any]) -> None:
        """Take one event."""
        getattr(self, f"_{event['event']}")(event)

    def _fetching(self, event: dict[str, Any]) -> None:
        self.console.print(
            f"Downloading the weights of {event['network']} …", highlight=False, markup=False, soft_wrap=True
        )

    def _photos(self, event: dict[str, Any]) -> None:
        self._count("photos", event, event["photos"], event["of"], "decoded and segmented")
        if event["photos"] == event["of"]:
            self._line(f"{_run(event)}{counted(event['of'], 'photo')} in the view store")

    def _counted(self, event: dict[str, Any]) -> None:
        self._count(event["what"], event, event["done"], event["of"], "")

    def _without_person(self, event: dict[str, Any]) -> None:
        if event["photos"]:
            self.console.print(
                f"{_run(event)}No person found in {event['photos']} of {event['of']} photos, which stay unchanged;"
                " views.json lists them.",
                highlight=False,
                markup=False,
            )

    def _damaged(self, event: dict[str, Any]) -> None:
        self.console.print(
            f"{event['folder']}: {event['blocks']} damaged or outdated blocks dropped; their photos are decoded again.",
            highlight=False,
            markup=False,
        )

    def _left_out(self, event: dict[str, Any]) -> None:
        self.console.print(
            f"{_run(event)}{event['photos']} of {event['of']} photos cannot be read and are left out; left_out.json"
            " lists them.",
            highlight=False,
            markup=False,
        )

    def _step(self, event: dict[str, Any]) -> None:
        self._count("steps", event, event["step"], event["steps"], f"loss {event['loss']:.4f}")

    def _epoch(self, event: dict[str, Any]) -> None:
        scores = {"macc": "MACC", "val_macc": "validation", "pixel_accuracy": "pixel accuracy"}
        note = ", ".join(f"{text} {100 * event[name]:.2f}" for name, text in scores.items() if name in event)
        self._count("epochs", event, event["epoch"] + 1, event["epochs"], note)
        done = f"{event['epoch'] + 1}/{event['epochs']}"
        self._line(f"{_task(event) or 'epoch'} {done}: loss {event['loss']:.4f}, {note}")

    def _lost(self, event: dict[str, Any]) -> None:
        self._end(event)
        self.console.print(
            f"{_task(event)}: its worker or machine was lost; started again from its last epoch (retry"
            f" {event['retry']} of {event['retries']}).",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def _done(self, event: dict[str, Any]) -> None:
        self._end(event)
        if self.folds is not None:
            self.folds_done += 1
            self._update("folds", self.folds_done, self.folds, "")
        self._line(f"{_task(event)}: done")

    def _end(self, event: dict[str, Any]) -> None:
        for counts in self.at_work.values():
            counts.pop(_task(event), None)

    def _count(self, name: str, event: dict[str, Any], completed: int, total: int, note: str) -> None:
        counts = self.at_work.setdefault(name, {})
        counts[_task(event)] = (completed, total)
        self._update(name, sum(done for done, _ in counts.values()), sum(of for _, of in counts.values()), note)

    def _update(self, name: str, completed: int, total: int, note: str) -> None:
        self.bars.update(self.ids[name], completed=completed, total=total, note=note, visible=True)
        if self.lines:
            self.lines.update(name, completed, total)

    def _line(self, text: str) -> None:
        if self.lines:
            self.lines.print(text)


def progress_of(experiments: Mapping[Path, Experiment], how_to_resume: str) -> RunProgress:
    """The progress of cross-validations, by run folder; the folds of finished ones are not counted."""
    missing = [e for folder, e in experiments.items() if not (folder / "summary.json").exists()]
    folds = sum(1 if e.split else e.folds for e in missing)
    return RunProgress(runs=len(experiments), folds=folds, how_to_resume=how_to_resume)


def _run(event: dict[str, Any]) -> str:
    """What a line about one of several runs begins with."""
    return f"{event['run']}: " if "run" in event else ""


def _task(event: dict[str, Any]) -> str:
    """The task of an event, after the name of its run if there are several; empty if it has neither."""
    return " ".join(event[name] for name in ("run", "task") if name in event)


def both(first: Callable[[dict[str, Any]], None], second: Callable[[dict[str, Any]], None]) -> Callable:
    """A function that gives an event to two."""

    def show(event: dict[str, Any]) -> None:
        first(event)
        second(event)

    return show


def count(what: str, total: int, *, how_to_resume: str | None = None) -> AbstractContextManager[Callable[[], None]]:
    """Show the progress of a known number of items; the context gives a function to call after each.

    Args:
        what: what is counted, such as ``photos``.
        total: number of items.
        how_to_resume: what an interruption is told; None for what cannot be resumed.
    """
    columns = [
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    return _counting(what, total, columns, how_to_resume)


def count_in_batches(what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """Show the progress of items that are done in batches, for commands with ``--resume``.

    Args:
        what: what is counted, such as ``photos``.
        total: number of items; None if it cannot be known, as on standard input.

    The context gives a function to call with the number of further items.
    """
    columns = [
        TextColumn("{task.completed:,.0f} {task.description}" if total is None else "{task.description}"),
        *([] if total is None else [BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn()]),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
    ]
    return _counting(what, total, columns, "with --resume")


@contextmanager
def _counting(
    what: str, total: int | None, columns: Sequence[ProgressColumn], how_to_resume: str | None
) -> Iterator[Callable[..., None]]:
    """Show a bar of these columns, or lines; yields a function to call with the number of further items."""
    console = Console(stderr=True)
    lines = None if console.is_terminal else _Lines(console)
    done = 0
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task(what, total=total)

            def advance(items: int = 1) -> None:
                nonlocal done
                done += items
                bar.advance(task, items)
                if lines:
                    lines.update(what, done, total)

            yield advance
    except KeyboardInterrupt:
        if how_to_resume:
            _say_how_to_resume(console, how_to_resume)
        raise


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"


def _say_how_to_resume(console: Console, how: str) -> None:
    console.print(f"Interrupted. What was finished is kept; continue {how}.")
