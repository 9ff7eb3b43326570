"""``sister-keras compare``: which run is better, and is the difference real?"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_sister.errors import InputError

from .robustness_table import robustness_table

if TYPE_CHECKING:
    from keras_sister.evaluation.comparison import Group


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
    show_comparison(runs, seed=seed, as_json=as_json)


def show_comparison(runs: Sequence[Path], *, seed: int = 0, as_json: bool = False) -> None:
    """Print the comparison of runs with the first."""
    from keras_sister.evaluation.comparison import compare_systems, group_by_seed
    from keras_sister.evaluation.out_of_fold import read_out_of_fold
    from keras_sister.storage.json_files import to_json

    names = [run.name for run in runs]
    predictions = [read_out_of_fold(run) for run in runs]
    # Folders of one name are told apart by their paths.
    named = [
        replace(p, name=p.name if names.count(p.name) == 1 else str(run))
        for p, run in zip(predictions, runs, strict=True)
    ]
    groups = group_by_seed(named)
    comparisons = compare_systems(groups, seed=seed)
    robustness = _robustness(groups, dict(zip([run.name for run in named], runs, strict=True)))
    if as_json:
        documents = [comparison.to_dict() for comparison in comparisons]
        for row, document in enumerate(documents):
            document["seed_maccs"] = groups[row].seed_maccs().tolist()
            document["robustness"] = robustness[row] if robustness else None
        click.echo(to_json(documents))
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
    for group in groups:
        if len(group.runs) > 1:
            console.print(_over_seeds(group, labels[group.name]), markup=False, highlight=False, soft_wrap=True)
    if robustness:
        scores = zip([labels[group.name] for group in groups], robustness, strict=True)
        console.print(robustness_table(dict(scores)))
        for group, found in zip(groups[1:], robustness[1:], strict=True):
            if found["difference"]:
                console.print(
                    _swap_difference(f"{labels[group.name]} − {labels[groups[0].name]}", found["difference"]),
                    markup=False,
                    highlight=False,
                )


def _robustness(groups: Sequence["Group"], folders: dict[str, Path]) -> list[dict[str, Any]]:
    """The robustness of each system, and how it differs from the first; empty unless all runs were tested for it."""
    from keras_sister.evaluation.robustness import (
        compare_background_swaps,
        has_robustness,
        read_robustness,
        score_group,
    )
    from keras_sister.run import Run

    runs = [[Run(folders[run.name]) for run in group.runs] for group in groups]
    without = [run.folder for group in runs for run in group if not has_robustness(run)]
    if without:
        if len(without) < len(folders):
            click.echo(f"Robustness is not shown: run 'cv --resume --robustness' for {without[0]} too.", err=True)
        return []
    systems = [[read_robustness(run) for run in group] for group in runs]
    found: list[dict[str, Any]] = [{**score_group(system), "difference": None} for system in systems]
    for scores, system in zip(found[1:], systems[1:], strict=True):
        try:
            difference = compare_background_swaps(systems[0], system)
        except InputError as error:
            click.echo(f"Other backgrounds are not compared: {error}", err=True)
            continue
        scores["difference"] = difference.to_dict() if difference else None
    return found


def _swap_difference(names: str, difference: dict[str, Any]) -> str:
    macc, tags = difference["macc"], difference["tags_changed"]
    text = f"{names}, same other backgrounds: "
    if macc is not None:
        low, high = 100 * macc["low"], 100 * macc["high"]
        text += f"MACC {100 * macc['estimate']:+.2f} points [{low:+.2f}, {high:+.2f}], "
    return text + f"tags changed a photo {tags['estimate']:+.2f} [{tags['low']:+.2f}, {tags['high']:+.2f}]"


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
        show_edge=False,  # at 80 columns five runs fit with it
    )
    table.add_column("attribute", no_wrap=True)
    for column in columns:
        label = labels[column.name]
        table.add_column(escape(label), justify="right", overflow="fold", min_width=min(len(label), 14))
    accuracies = [column.accuracies() for column in columns]
    for name in accuracies[0]:
        stars = ["*" if p_values.get(column.name, {}).get(name, 1) < 0.05 else "" for column in columns]
        table.add_row(name, *(f"{100 * a[name]:.2f}{star}" for a, star in zip(accuracies, stars, strict=True)))
    table.add_section()
    table.add_row("MACC ± std", *(_mean_and_spread(column.fold_maccs()) for column in columns), style="bold")
    return table


def _over_seeds(group: "Group", label: str) -> str:
    spread = f"{_mean_and_spread(group.seed_maccs())} % over {len(group.runs)} seeds"
    return f"{label}: MACC {spread} (mean ± sample standard deviation of the runs' MACC)"


def _mean_and_spread(maccs: Any) -> str:
    """Mean and sample standard deviation of folds or seeds; one has no deviation."""
    return f"{100 * maccs.mean():.2f} ± " + (f"{100 * maccs.std(ddof=1):.2f}" if len(maccs) > 1 else "–")


def _differences(comparisons: list, labels: dict[str, str], unit: str) -> Table:
    from keras_sister.evaluation.paired import shown_p

    table = Table(title="Difference of MACC, percentage points", title_justify="left")
    for heading in ("", "over folds (corrected t-test)", "p", f"over {unit}s (bootstrap)"):
        table.add_column(heading)
    for comparison in comparisons:
        over_folds, over_photos = (
            "–" if d is None else f"{100 * d.estimate:+.2f}  [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
            for d in (comparison.folds, comparison.photos)
        )
        p_value = "–" if comparison.folds is None else shown_p(comparison.folds.p)
        table.add_row(
            escape(f"{labels[comparison.second]} − {labels[comparison.first]}"), over_folds, p_value, over_photos
        )
    if comparisons[0].folds is None:
        table.caption = "Only one fold has known labels: the spread over folds cannot be compared."
        table.caption_justify = "left"
    return table
