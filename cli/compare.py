"""``sister-keras compare``: which run is better, and is the difference real?"""

import json
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table


@click.command(short_help="Compare runs with each other.")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed of the bootstrap."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare(runs: tuple[Path, ...], seed: int, as_json: bool) -> None:
    """Show runs of `sister-keras cv` side by side and compare each with the first.

    The runs must have the same photos, labels and folds; runs that differ only in their seed count as one system.
    Intervals are at 95 %.

    \b
    sister-keras compare runs/baseline runs/sister_a
    sister-keras compare seeds/baseline-0 seeds/baseline-1 \\
        seeds/sister_a-0 seeds/sister_a-1
    """
    from keras_sister.evaluation.comparison import compare_systems, group_by_seed
    from keras_sister.evaluation.out_of_fold import read_out_of_fold

    names = [run.name for run in runs]
    predictions = [read_out_of_fold(run) for run in runs]
    # Folders of one name are told apart by their paths.
    named = [
        replace(p, name=p.name if names.count(p.name) == 1 else str(run))
        for p, run in zip(predictions, runs, strict=True)
    ]
    groups = group_by_seed(named)
    comparisons = compare_systems(groups, seed=seed)
    if as_json:
        click.echo(json.dumps([comparison.to_dict() for comparison in comparisons], indent=1))
        return

    console = Console()
    p_values = {c.second: {a.name: a.p for a in c.attributes} for c in comparisons[1:]}
    columns = [groups[0].majority(), *groups]
    labels = _labels([column.name for column in columns], console.width)
    for name, label in labels.items():
        if label != name:
            console.print(f"{label}: {name}", markup=False, highlight=False, soft_wrap=True)
    unit = "photo" if groups[0].runs[0].groups is None else "group"
    console.print(_scores(columns, labels, p_values, unit))
    console.print(_differences(comparisons, labels, unit))


def _labels(names: list[str], width: int) -> dict[str, str]:
    """Headings of the columns: the names, or numbers where the names would not fit beside each other."""
    attributes = 24
    if attributes + sum(max(len(name), 14) + 3 for name in names) <= width:
        return {name: name for name in names}
    return {names[0]: names[0]} | {name: f"run {i}" for i, name in enumerate(names[1:], start=1)}


def _scores(columns: list, labels: dict[str, str], p_values: dict[str, dict[str, float]], unit: str) -> Table:
    table = Table(
        title="Accuracy on held-out photos, %",
        caption=f"* differs from the first run (sign test by {unit}, Holm-corrected, p < 0.05)",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("attribute", no_wrap=True)
    for column in columns:
        table.add_column(escape(labels[column.name]), justify="right", overflow="fold")
    accuracies = [column.accuracies() for column in columns]
    for name in accuracies[0]:
        stars = ["*" if p_values.get(column.name, {}).get(name, 1) < 0.05 else "" for column in columns]
        table.add_row(name, *(f"{100 * a[name]:.2f}{star}" for a, star in zip(accuracies, stars, strict=True)))
    table.add_section()
    spreads = [f"{100 * m.mean():.2f} ± {100 * m.std(ddof=1):.2f}" for m in (c.fold_maccs() for c in columns)]
    table.add_row("MACC ± std", *spreads, style="bold")
    return table


def _differences(comparisons: list, labels: dict[str, str], unit: str) -> Table:
    table = Table(title="Difference of MACC, percentage points", title_justify="left")
    for heading in ("", "over folds (corrected t-test)", "p", f"over {unit}s (bootstrap)"):
        table.add_column(heading)
    for comparison in comparisons:
        over_folds, over_photos = (
            f"{100 * d.estimate:+.2f}  [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
            for d in (comparison.folds, comparison.photos)
        )
        p_value = f"{comparison.folds.p:.3f}"
        table.add_row(
            escape(f"{labels[comparison.second]} − {labels[comparison.first]}"), over_folds, p_value, over_photos
        )
    return table
