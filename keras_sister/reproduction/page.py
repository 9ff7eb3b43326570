"""A table as a Markdown page: our numbers beside the paper's, deviations from its settings, significant differences."""

import datetime

import keras_sister
from keras_sister.backbone_names import shown_name
from keras_sister.evaluation.paired import Difference, shown_p
from keras_sister.reproduction.plan import Cell
from keras_sister.reproduction.results import Results


def to_markdown(results: Results) -> str:
    """The Markdown page of a table: a string that ends with a line break."""
    plan = results.plan
    parts = [f"# {plan.title}", _preface(results)]
    if plan.deviations:
        parts.append("**These are not the paper's settings, so its numbers are not comparable and are left out:**")
        parts.append("\n".join(f"- {deviation}" for deviation in plan.deviations))
    parts.append(_maccs(results) if plan.attributes is None else _attributes(results))
    if plan.remark:
        parts.append(plan.remark)
    if results.comparisons:
        parts += ["## Significance of the differences", _differences(results)]
    parts += ["## Experiments", _experiments(results)]
    return "\n\n".join(parts) + "\n"


def _preface(results: Results) -> str:
    plan = results.plan
    shown = "Accuracy" if plan.attributes else "MACC, mean ± standard deviation over the folds,"
    run = next(iter(results.predictions.values()))
    return (
        f"{shown} on held-out photos, in %: {len(run.photos):,} photos, {len(run.folds)} folds."
        f" `sister-keras reproduce {plan.table}`, keras-sister {keras_sister.__version__}, {datetime.date.today()}."
    )


def _maccs(results: Results) -> str:
    plan = results.plan
    has_paper = any(cell.paper is not None for cell in plan.cells)
    head = [""]
    for cell in plan.rows[0]:
        head += [cell.column, "paper"] if has_paper else [cell.column]
    lines = []
    for row in plan.rows:
        line = [row[0].row]
        for cell in row:
            mean, deviation = results.macc(cell)
            line.append(f"{mean:.2f} ± {deviation:.2f}")
            if has_paper:
                line.append("–" if cell.paper is None else f"{cell.paper:.2f}")
        lines.append(line)
    majority = results.majority().fold_maccs()
    blank = [""] * (len(head) - 2)
    lines.append(["majority class", f"{100 * majority.mean():.2f} ± {100 * majority.std(ddof=1):.2f}", *blank])
    return _table(head, lines)


def _attributes(results: Results) -> str:
    plan = results.plan
    (cells,) = plan.rows
    constant = results.majority().accuracies()
    scores = [results.accuracies(cell) for cell in cells]
    lines = [[name, *(f"{of[name]:.2f}" for of in scores), f"{100 * constant[name]:.2f}"] for name in scores[0]]
    return _table(["", *(cell.column for cell in cells), "majority class"], lines)


def _difference(found: Difference) -> str:
    return f"{100 * found.estimate:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


def _differences(results: Results) -> str:
    lines = []
    for comparison, p in zip(results.comparisons, results.adjusted(), strict=True):
        significant = [a.name for a in comparison.attributes if a.p < 0.05]
        lines.append(
            [
                f"{comparison.second} − {comparison.first}",
                _difference(comparison.over_folds),
                shown_p(p),
                _difference(comparison.photos),
                ", ".join(significant) or "none",
            ]
        )
    heads = ["MACC, percentage points", "over folds, 95 %", "p (Holm)", "over photos, 95 %", "attributes that differ"]
    return (
        _table(heads, lines)
        + "\n\nOver folds: corrected resampled t-test (Nadeau and Bengio 2003), p after Holm's correction over all"
        " comparisons of the table. Over photos: paired bootstrap. Attributes that differ: sign test over the photos,"
        " p < 0.05 after Holm's correction over the attributes."
    )


def _experiments(results: Results) -> str:
    return _table(
        ["run", "settings"], [[f"`runs/{cell.name}`", _settings(cell)] for cell in results.plan.cells], align="---"
    )


def _settings(cell: Cell) -> str:
    e = cell.experiment
    networks = (
        shown_name(e.backbone)
        if e.views in (("photo",), ("segmented",), ("photo", "mask"))
        else f"{shown_name(e.backbone)} + {shown_name(e.person_backbone)}"
    )
    masks = f", segmenter {e.segmenter}, background {e.background}" if e.needs_masks else ""
    return (
        f"{e.system}, {networks}, weights {e.weights}, {e.size} pixels{masks}, trainable {e.trainable}, batch"
        f" size {e.batch_size}, Adam learning rate {e.learning_rate:g}, at most {e.epochs} epochs,"
        f" {'' if e.augment else 'no '}augmentation, {e.precision}, seed {e.seed}"
    )


def _table(head: list[str], lines: list[list[str]], *, align: str = "---:") -> str:
    rows = [head, ["---", *[align] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
