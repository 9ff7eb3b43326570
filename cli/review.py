"""``sister-keras data review`` and ``data apply``: suspicious labels, out for correction and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keras_sister.errors import InputError, counted
from keras_sister.extras import require
from keras_sister.review.choices import FORMATS

from .dataset import dataset_argument, on_unknown_value_option, open_and_show_notes
from .progress import count

if TYPE_CHECKING:
    from keras_sister.evaluation.label_issues import LabelIssue


@click.command(short_help="Write a run's suspicious labels for Label Studio or FiftyOne.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True, help="Tool to review in."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="tasks.json",
    show_default=True,
    help="File to write.",
)
def review(run: Path, format_: str, out: Path) -> None:
    """Write the suspicious labels of RUN for review in Label Studio or FiftyOne.

    RUN is a finished run of `sister-keras cv`. Its issues.csv ranks all labels and is written if it is missing. With
    label-studio, the labelling configuration is written beside --out. `data apply` takes the corrections back.

    \b
    sister-keras data review runs/sister_a --out tasks.json
    sister-keras data review runs/sister_a --format fiftyone --out samples.json
    """
    from keras_sister.evaluation.label_issues import read_issues, write_issues
    from keras_sister.review.export_issues import export_issues
    from keras_sister.run import Run

    found = Run(run)
    issues = (read_issues if (run / "issues.csv").exists() else write_issues)(found)
    flagged = issues.flagged
    root = export_issues(found, flagged, out, format=format_)
    photos = counted(len({issue.row for issue in flagged}), "photo")
    click.echo(f"{out}: {counted(len(flagged), 'suspicious label')} of {photos}; {run / 'issues.csv'} ranks all")
    if root is None:
        click.echo(f'Open it: fiftyone.Dataset.from_json("{out}"); correct the fields label_…; dataset.write_json(…)')
    else:
        click.echo(f"{out.with_suffix('.xml')}: the labelling configuration of the project")
        click.echo(
            "For the photos to be shown, start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true"
            f" LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT='{root}', and add the photos' folder in it as local storage."
        )
    click.echo("Next: export the corrections as JSON, then: sister-keras data apply DATASET corrections.json --out NEW")


@click.command(short_help="Take corrections of Label Studio or FiftyOne into a new dataset.")
@dataset_argument
@click.argument("corrections", metavar="CORRECTIONS", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Dataset to write, of the kind of DATASET.")
@on_unknown_value_option
def apply(dataset: Path, corrections: Path, out: Path, on_unknown_value: str | None) -> None:
    """Write DATASET again as --out, with the labels that CORRECTIONS has.

    CORRECTIONS is an export of Label Studio (JSON or JSON-MIN) or FiftyOne (JSON), or the folder in which
    `sister-keras app` keeps corrections. Photos are found by their contents. DATASET stays as it is.

    \b
    sister-keras data apply DCSA corrections.json --out DCSA2
    sister-keras data apply dataset.yaml corrections.json --out dataset2.yaml
    sister-keras data apply DCSA corrections --out DCSA2
    """
    from keras_sister.review.apply_corrections import apply_corrections

    if not corrections.exists():
        raise InputError(f"{corrections}: no such file or folder.")
    photos = open_and_show_notes(dataset, on_unknown_value=on_unknown_value)
    with count("photos", len(photos)) as step:
        applied = apply_corrections(dataset, corrections, out, on_unknown_value=on_unknown_value, on_photo=step)
    labels, of = counted(applied.changed, "label"), counted(applied.photos, "photo")
    click.echo(f"{counted(applied.corrections, 'correction')}: {labels} of {of} changed")
    click.echo(f"{out}\nNext: sister-keras cv {out}")


def list_issues(run: Path) -> "Sequence[LabelIssue]":
    """Write a run's list of suspicious labels and say where it is; without cleanlab, say how to install it.

    Returns:
        The flagged labels.
    """
    from keras_sister.evaluation.label_issues import write_issues
    from keras_sister.run import Run

    try:
        require(("cleanlab",), "No list of suspicious labels, issues.csv: it needs cleanlab", "review")
    except InputError as error:
        click.echo(str(error), err=True)
        return []
    issues = write_issues(Run(run))
    flagged = issues.flagged
    click.echo(f"Suspicious labels: {len(flagged):,} of {len(issues):,} known ones, {run / 'issues.csv'}")
    return flagged


def write_sheet(run: Path, flagged: "Sequence[LabelIssue]") -> None:
    """Draw the contact sheet of flagged labels and say where it is; TensorFlow has been imported."""
    from keras_sister.report.issue_sheet import write_issue_sheet
    from keras_sister.run import Run

    try:
        if write_issue_sheet(Run(run), flagged, run / "issues.jpg"):
            click.echo(f"Contact sheet: {run / 'issues.jpg'}")
    except InputError as error:  # a run of another machine, whose photos are not here
        click.echo(f"No contact sheet of suspicious labels: {str(error).splitlines()[0]}", err=True)
