"""The argument DATASET of the commands that take one, and what is shown when it is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from keras_sister.data.choices import ON_UNKNOWN_VALUE

if TYPE_CHECKING:
    from keras_sister.data.dataset import Dataset

dataset_argument = click.argument("dataset", metavar="DATASET", type=click.Path(path_type=Path))
"""A folder in DCSA's layout, or a dataset file."""

on_unknown_value_option = click.option(
    "--on-unknown-value",
    type=click.Choice(ON_UNKNOWN_VALUE),
    help="Cells of a table that fit no class: an error, or an unknown label.  [default: as the dataset file says]",
)


def open_and_show_notes(path: Path, *, on_unknown_value: str | None = None) -> "Dataset":
    """Open a dataset and show on standard error what was decided when it was read."""
    from keras_sister.data.open import open_dataset

    dataset = open_dataset(path, on_unknown_value=on_unknown_value)
    for note in dataset.notes:
        click.echo(note, err=True)
    return dataset
