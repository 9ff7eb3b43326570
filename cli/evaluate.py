"""``sister-keras evaluate``: every score of one run."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_sister.errors import InputError

from .pedestrian_line import pedestrian_line
from .percent import percent
from .quiet import say_loading

_COLUMNS = ("accuracy", "balanced_accuracy", "f1", "average_precision")


@click.command(short_help="Show all metrics of one run.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--confusion", metavar="ATTRIBUTE", help="Show the confusion matrix of this attribute.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with all confusion matrices.")
def evaluate(run: Path, confusion: str | None, as_json: bool) -> None:
    """Show the metrics of a finished RUN of `sister-keras cv`, on held-out photos.

    Balanced accuracy, F1 (macro, micro, by photo), average precision, Hamming loss and confusion matrices, beside the
    accuracies that `cv` shows; where all attributes are binary, also the scores by photo that papers on pedestrian
    attributes report. Unknown labels are ignored.

    \b
    sister-keras evaluate runs/sister_a
    sister-keras evaluate runs/sister_a --confusion neckline
    """
    say_loading("scikit-learn")
    from keras_sister.evaluation.attribute_metrics import attribute_metrics
    from keras_sister.evaluation.out_of_fold import read_out_of_fold
    from keras_sister.storage.json_files import to_json

    predictions = read_out_of_fold(run)
    schema = predictions.schema
    scores = attribute_metrics(schema, predictions.labels, predictions.logits)
    if as_json:
        click.echo(to_json(scores))
    elif confusion:
        if confusion not in schema.names:
            raise InputError(f"--confusion: no attribute '{confusion}'; there are {', '.join(schema.names)}.")
        classes = schema.attribute(confusion).classes
        Console().print(_confusion(confusion, classes, scores["attributes"][confusion]["confusion"]))
    else:
        Console().print(_scores(scores))
        if scores["pedestrian"]:
            click.echo(pedestrian_line(scores["pedestrian"]))


def _scores(scores: dict[str, Any]) -> Table:
    table = Table(
        title="Held-out photos, %",
        caption=f"Hamming loss {percent(scores['hamming_loss'])}",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("attribute", "known", "accuracy", "balanced", "F1", "average precision"):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    for name, of in scores["attributes"].items():
        table.add_row(name, str(of["known"]), *(percent(of[column]) for column in _COLUMNS))
    table.add_section()
    means = (scores["macc"], scores["balanced_accuracy"], scores["f1"]["macro"], scores["mean_average_precision"])
    table.add_row("mean (MACC, mA, macro F1, mAP)", "", *map(percent, means), style="bold")
    table.add_row("micro F1", "", "", "", percent(scores["f1"]["micro"]))
    table.add_row("F1 by photo", "", "", "", percent(scores["f1"]["instance"]))
    return table


def _confusion(attribute: str, classes: tuple[str, ...], counts: list[list[int]] | None) -> Table:
    table = Table(title=f"{attribute}: photos by true class (rows) and predicted class", title_justify="left")
    table.add_column("")
    for name in classes:
        table.add_column(escape(name), justify="right")
    for name, row in zip(classes, counts or [], strict=False):
        table.add_row(escape(name), *map(str, row))
    return table
