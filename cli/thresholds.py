"""``sister-keras thresholds``: from scores to tags."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_sister.config import GOALS

from .percent import percent
from .quiet import say_loading


@click.command(short_help="Fit thresholds and calibration of one run.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--goal",
    type=click.Choice([goal for goal in GOALS if goal != "precision"]),
    help="Fit the threshold of each binary attribute for its accuracy or its F1.  [default: accuracy]",
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Decide only where this share of decisions is correct; the rest is 'not sure'.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the content of thresholds.json.")
def thresholds(run: Path, goal: str | None, precision: float | None, as_json: bool) -> None:
    """Calibrate the probabilities of a finished RUN of `sister-keras cv`, and fit the thresholds of its tags.

    Everything is fitted on out-of-fold predictions and scored on folds that it has not seen. RUN/thresholds.json keeps
    it; `sister-keras train --like RUN` and `export` carry it on. With --precision an attribute is left undecided where
    the precision cannot be reached.

    \b
    sister-keras thresholds runs/sister_a --precision 0.95
    sister-keras thresholds runs/sister_a --goal f1 --json
    """
    if goal and precision is not None:
        raise click.UsageError("--goal and --precision exclude each other.")
    say_loading("scikit-learn")
    from keras_sister.evaluation.decisions import THRESHOLDS
    from keras_sister.evaluation.thresholds import Goal, write_thresholds
    from keras_sister.run import Run
    from keras_sister.storage.json_files import to_json

    wanted = Goal("precision", precision) if precision is not None else Goal(goal or "accuracy")
    content = write_thresholds(Run(run), wanted)
    if as_json:
        click.echo(to_json(content))
        return
    Console().print(_by_precision(content) if precision is not None else _by_score(content))
    for note in _notes(content):
        click.echo(note)
    click.echo(f"{run / THRESHOLDS}\nNext: sister-keras report {run}, sister-keras train DATASET --like {run}")


def _by_score(content: dict[str, Any]) -> Table:
    """A row for each attribute: the score without and with its threshold, on unseen folds."""
    score = content["goal"]
    shown = "accuracy" if score == "accuracy" else "F1"
    table = _table(("threshold", f"{shown}\nat 0.5", f"{shown}\nfitted"))
    for name, found in content["attributes"].items():
        unseen = found["unseen"]
        threshold = "–" if found["threshold"] is None else f"{found['threshold']:.3f}"
        table.add_row(
            escape(name), *_calibration(found), threshold, percent(unseen["plain"][score], 1), percent(unseen[score], 1)
        )
    return table


def _by_precision(content: dict[str, Any]) -> Table:
    """A row for each attribute: what share of photos is decided, and how many of them correctly, on unseen folds."""
    table = _table(("decided", "correct"))
    for name, found in content["attributes"].items():
        unseen = found["unseen"]
        table.add_row(
            escape(name), *_calibration(found), percent(unseen["coverage"], 1), percent(unseen["accuracy"], 1)
        )
    return table


def _table(headings: tuple[str, ...]) -> Table:
    table = Table(
        title="On folds that the fit has not seen, %",
        caption="T: temperature. ECE: expected calibration error, before and after calibration.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("attribute", overflow="fold", min_width=12)
    for heading in ("T", "ECE\nbefore", "ECE\nafter", *headings):
        table.add_column(heading, justify="right")
    return table


def _calibration(found: dict[str, Any]) -> tuple[str, str, str]:
    unseen = found["unseen"]
    return f"{found['temperature']:.2f}", percent(unseen["error_before"], 1), percent(unseen["error_after"], 1)


def _notes(content: dict[str, Any]) -> list[str]:
    """What a wanted precision costs: attributes and classes that are not decided, and where unseen folds fall short."""
    if content["precision"] is None:
        return []
    reason = f"precision {content['precision']:g} cannot be reached"
    decided = {name: found for name, found in content["attributes"].items() if name not in content["undecided"]}
    never = [
        f"{name}={c}" for name, found in decided.items() for c, lowest in found["minimum"].items() if lowest is None
    ]
    accuracies = {name: found["unseen"]["accuracy"] for name, found in decided.items()}
    short = [
        f"{name} {percent(a, 1)} %" for name, a in accuracies.items() if a is not None and a < content["precision"]
    ]
    return [
        f"{heading}: {', '.join(names)}"
        for heading, names in (
            (f"Undecided, because {reason}", content["undecided"]),
            (f"Never decided for, because {reason}", never),
            ("Correct decisions on unseen folds are below the wanted precision", short),
        )
        if names
    ]
