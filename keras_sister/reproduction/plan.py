"""What a table of the paper needs: which experiments, in which cells, and how far they are from the paper's own."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from keras_sister.config import SYSTEMS, Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.schema import DCSA

TABLES = ("table1", "table2", "table3", "twin", "figure4", "figure5", "systems")
"""The tables that are there, each a file in ``keras_sister/reproduction/tables``."""

DCSA_PHOTOS = 1856


@dataclass(frozen=True)
class Cell:
    """A place in a table.

    Attributes:
        row: its row's label.
        column: its column's label.
        name: of the experiment, and of its run folder.
        experiment: what is run.
        paper: the paper's MACC in %, if it has one and is comparable.
    """

    row: str
    column: str
    name: str
    experiment: Experiment
    paper: float | None


@dataclass(frozen=True)
class Plan:
    """A table to be made.

    Attributes:
        table: one of `TABLES`.
        title: as in the paper.
        rows: its cells, row by row.
        attributes: names of the attributes that it shows the accuracy of; None where it shows MACC.
        remark: what the paper says about it instead of numbers.
        departures: what is not as in the paper, one line each; the paper's numbers are shown only if there are none.
    """

    table: str
    title: str
    rows: list[list[Cell]]
    attributes: list[str] | None
    remark: str | None
    departures: list[str]

    @property
    def cells(self) -> list[Cell]:
        """One cell for each experiment, in the order of the table."""
        return list({cell.name: cell for row in self.rows for cell in row}.values())


def make_plan(
    table: str,
    dataset: Dataset,
    *,
    settings: Mapping[str, Any] | None = None,
    segmenters: Mapping[str, str] | None = None,
) -> Plan:
    """Read a table's file and set its experiments up for a dataset.

    Args:
        table: one of `TABLES`.
        dataset: to run on.
        settings: of every experiment, instead of the paper's, by the names of `Experiment`.
        segmenters: where the segmenters lie that experiments name, such as ``{"fcn8s-voc": "fcn"}``.

    Raises:
        InputError: for an unknown table, a segmenter that is missing, or a setting out of range.

    Example:
        >>> plan = make_plan("table2", dataset, segmenters={"fcn8s-voc": "fcn"})
        >>> plan.rows[0][1].name, plan.rows[0][1].paper
        ('sister_a-resnet50', 91.63)
    """
    if table not in TABLES:
        raise InputError(f"table must be one of {', '.join(TABLES)}. Received: {table!r}")
    form = _read(f"tables/{table}.yaml")
    settings = {name: value for name, value in (settings or {}).items() if value is not None}
    if settings.get("split"):
        raise InputError(f"{table}: compares systems over folds; omit split.")
    named = [name for row in form["rows"] for name in row]
    experiments = {name: _experiment(name, table, settings, segmenters or {}) for name in named}
    departures = _departures(named, settings, dataset)
    rows: list[list[Cell]] = []
    for names in form["rows"]:
        row = [
            Cell(
                row=form.get("row", "").format(**asdict(experiments[name])),
                column=column,
                name=name if not departures else _name(experiments[name]),
                experiment=experiments[name],
                paper=None if departures else _read("experiments.yaml")["experiments"][name].get("paper"),
            )
            for column, name in zip(form["columns"], names, strict=True)
        ]
        # Under other settings two rows of the paper may be one.
        if [cell.experiment for cell in row] not in [[cell.experiment for cell in other] for other in rows]:
            rows.append(row)
    return Plan(table, form["title"], rows, _attributes(form, dataset), form.get("paper"), departures)


@cache
def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((resources.files(__package__) / name).read_text(encoding="utf-8"))


def _experiment(name: str, table: str, settings: Mapping[str, Any], segmenters: Mapping[str, str]) -> Experiment:
    paper = _paper_settings(name)
    ours = {**paper, **settings}
    if SYSTEMS[ours["system"]] == ("photo",):
        del ours["segmenter"]  # no mask is looked at, and runs are to be one wherever the segmenter lies
    elif "segmenter" not in settings:
        wanted = paper["segmenter"]
        if wanted not in segmenters:
            what = _read("experiments.yaml")["segmenters"][wanted]
            raise InputError(
                f"{table} needs {wanted}, which is {what}: give --segmenter {wanted}=FOLDER, or --segmenter FOLDER"
                " for one in place of all."
            )
        ours["segmenter"] = segmenters[wanted]
    return Experiment(**ours)


def _paper_settings(name: str) -> dict[str, Any]:
    content = _read("experiments.yaml")
    return {key: value for key, value in {**content["every"], **content["experiments"][name]}.items() if key != "paper"}


def _departures(named: list[str], settings: Mapping[str, Any], dataset: Dataset) -> list[str]:
    departures = []
    if dataset.schema != DCSA or len(dataset) != DCSA_PHOTOS:
        found = f"{len(dataset):,} photos with {len(dataset.schema)} attributes"
        departures.append(f"The photos are not DCSA's {DCSA_PHOTOS:,}, but {found}.")
    papers = [{**asdict(Experiment()), **_paper_settings(name)} for name in dict.fromkeys(named)]
    for setting, value in settings.items():
        theirs = list(dict.fromkeys(str(paper[setting]) for paper in papers))
        # Where a file lies is no setting of the paper, and neither is the seed.
        is_place = (setting == "weights" and value != "none") or (setting == "segmenter" and len(theirs) == 1)
        if not is_place and setting != "seed" and theirs != [str(value)]:
            departures.append(f"`{setting}` is {value} throughout, not {' or '.join(theirs)}.")
    return departures


def _name(experiment: Experiment) -> str:
    digest = hashlib.sha256(experiment.absolute().to_yaml().encode()).hexdigest()
    return f"{experiment.system}-{experiment.backbone}-{digest[:8]}"


def _attributes(form: Mapping[str, Any], dataset: Dataset) -> list[str] | None:
    wanted = form.get("attributes")
    if wanted is None or wanted == "all":
        return wanted and dataset.schema.names
    missing = [name for name in wanted if name not in dataset.schema.names]
    if missing:
        raise InputError(f"{form['title'].partition('.')[0]} shows {missing[0]}, which these photos have no labels of.")
    return list(wanted)
