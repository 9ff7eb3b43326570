"""A table as a picture: tables of MACC as dots with error bars, figures of accuracies as bars."""

from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.reproduction.plan import Cell
from keras_sister.reproduction.results import Results

_COLORS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE")  # Paul Tol's palette, safe for the colour-blind
_GREY = "#888888"


def check_matplotlib() -> None:
    """Check before hours of training that the picture can be drawn.

    Raises:
        InputError: if matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise InputError("Pictures need matplotlib: pip install 'keras-sister[figures]'.") from error


def draw_table(results: Results, path: Path) -> None:
    """Draw a table into a PNG file.

    Args:
        results: results of the table.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure  # not pyplot, which looks for a display

    plan = results.plan
    figure = Figure(layout="constrained", dpi=150)
    axes = figure.add_subplot()
    (_bars if plan.attributes else _dots)(results, figure, axes)
    axes.set_title(plan.title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png")


def _dots(results: Results, figure, axes) -> None:  # type: ignore[no-untyped-def]
    cells = [cell for row in results.plan.rows for cell in row]
    figure.set_size_inches(7, 1.6 + 0.36 * len(cells))
    for y, cell in enumerate(cells):
        mean, deviation = results.macc(cell)
        label = None if y else "ours ± standard deviation over folds"
        axes.errorbar(mean, y, xerr=deviation, fmt="o", color=_COLORS[0], capsize=3, label=label)
        axes.annotate(f"{mean:.2f}", (mean, y), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=8)
    papers = [(y, cell.paper) for y, cell in enumerate(cells) if cell.paper is not None]
    if papers:
        axes.plot([paper for _, paper in papers], [y for y, _ in papers], "D", color=_COLORS[1], label="paper")
    majority = 100 * results.majority().fold_maccs().mean()
    axes.axvline(majority, color=_GREY, linestyle=":", label="majority class")
    axes.set_yticks(range(len(cells)), [_label(cell) for cell in cells])
    axes.set_ylim(len(cells) - 0.4, -0.7)
    axes.set_xlabel("MACC, %")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _bars(results: Results, figure, axes) -> None:  # type: ignore[no-untyped-def]
    (cells,) = results.plan.rows
    scores = [results.accuracies(cell) for cell in cells]
    constant = results.majority().accuracies()
    names = list(scores[0])
    majority = {name: 100 * constant[name] for name in names}
    figure.set_size_inches(max(8, 1.5 + 0.34 * len(names) * len(cells)), 4)
    width = 0.8 / len(cells)
    for i, cell in enumerate(cells):
        places = [x + (i - (len(cells) - 1) / 2) * width for x in range(len(names))]
        heights = [scores[i][name] for name in names]
        axes.bar(places, heights, width * 0.92, color=_COLORS[i], label=cell.column)
    starts, ends = ([x + side for x in range(len(names))] for side in (-0.42, 0.42))
    axes.hlines(list(majority.values()), starts, ends, color="black", linestyle=":", label="majority class")
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0)
    lowest = min(score for of in (*scores, majority) for score in of.values())
    axes.set_ylim(max(0, lowest - 5), 100)
    axes.set_ylabel("accuracy, %")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _label(cell: Cell) -> str:
    return cell.row if cell.column == "MACC" else f"{cell.column}, {cell.row}"
