"""The plan of a table: its cells, the experiment behind each, and every deviation from the paper's settings."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from keras_sister.backbone_names import PAPERS_BACKBONES, same_letters, short_name, shown_name, with_hash
from keras_sister.config import LEARNING_RATES, SYSTEMS, Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.schema import DCSA

TABLES = ("table1", "table2", "table3", "twin", "figure4", "figure5", "systems")
"""Names of the tables, each a file in ``keras_sister/reproduction/tables``."""

DCSA_PHOTOS = 1856

_NETWORKS = ("backbone", "person_backbone")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        row: label of the row.
        column: label of the column.
        name: name of the experiment and of its run folder.
        experiment: settings of the experiment.
        paper: the paper's MACC in %; None if it gives none or ours is not comparable.
    """

    row: str
    column: str
    name: str
    experiment: Experiment
    paper: float | None


@dataclass(frozen=True)
class Plan:
    """A table and its experiments.

    Attributes:
        table: one of `TABLES`.
        title: title of the table in the paper.
        rows: the cells, row by row.
        attributes: names of the attributes whose accuracy it shows; None if it shows MACC.
        remark: what the paper says about a figure for which it gives no numbers; None for tables.
        deviations: deviations from the paper's settings, one line each. The paper's numbers are shown only if there
            are none.
    """

    table: str
    title: str
    rows: list[list[Cell]]
    attributes: list[str] | None
    remark: str | None
    deviations: list[str]

    @property
    def cells(self) -> list[Cell]:
        """One cell for each experiment, in the order of the table."""
        return list({cell.name: cell for row in self.rows for cell in row}.values())

    def runs(self, out: Path) -> dict[Path, Experiment]:
        """The experiments by their run folders in `out`."""
        return {out / "runs" / cell.name: cell.experiment for cell in self.cells}


def make_plan(
    table: str,
    dataset: Dataset,
    *,
    settings: Mapping[str, Any] | None = None,
    segmenters: Mapping[str, str] | None = None,
) -> Plan:
    """Read the file of a table and plan its experiments for a dataset.

    Args:
        table: one of `TABLES`.
        dataset: dataset to train and test on.
        settings: settings that replace the paper's in every experiment, by the field names of `Experiment`.
            ``backbone`` may be several, in a list, which have a row each where the paper has a row for each of its
            own; ``person_backbone`` is then one for all of them, or as many. Without it, the person tower of a row with
            Sister-B, which needs two towers of the same width, is the row's backbone if that is not one of the paper's.
        segmenters: the segmenter behind each name in ``experiments.yaml``, for example ``{"fcn8s-voc": "fcn"}``.

    Raises:
        InputError: if the table is unknown, a segmenter is missing, a setting is invalid, or a figure gets several
            backbones.

    Example:
        >>> plan = make_plan("table2", dataset, segmenters={"fcn8s-voc": "fcn"})
        >>> plan.rows[0][1].name, plan.rows[0][1].paper
        ('sister_a-resnet50', 91.63)
    """
    if table not in TABLES:
        raise InputError(f"table must be one of {', '.join(TABLES)}. Received: {table!r}")
    form = _read(f"tables/{table}.yaml")
    settings = {
        name: _recorded(value) if name in _NETWORKS else value
        for name, value in (settings or {}).items()
        if value is not None
    }
    if settings.get("trainable") == "head":  # the paper's rate is one for all weights
        settings.setdefault("learning_rate", LEARNING_RATES["head"])
    if settings.get("split"):
        raise InputError(f"{table}: compares systems over folds; omit split.")
    groups = _groups(settings)
    if len(groups) > 1 and "attributes" in form:
        raise InputError(f"{table}: shows one backbone; give --backbone once.")
    named = [name for row in form["rows"] for name in row]
    deviations = _deviations(named, settings, dataset)
    deviations += _deviation_of_person_towers(form["rows"], groups)
    rows: list[list[Cell]] = []
    for group in groups:
        experiments: dict[str, Experiment] = {}
        for names in form["rows"]:
            of_row = _with_person_tower(names, group)
            experiments |= {name: _experiment(name, table, of_row[name], segmenters or {}) for name in names}
        rows += _rows(form, experiments, deviations, is_one_group=len(groups) == 1)
    # With other settings, several rows of the paper may become the same.
    rows = [row for number, row in enumerate(rows) if _experiments(row) not in map(_experiments, rows[:number])]
    return Plan(table, form["title"], rows, _attributes(form, dataset), form.get("paper"), deviations)


def _groups(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of each group of rows: of one for each backbone that is given."""
    networks = {name: settings[name] for name in _NETWORKS if name in settings}
    backbones, persons = (networks.get(name, []) for name in _NETWORKS)
    if len(persons) not in (0, 1, len(backbones)):
        raise InputError(
            "person_backbone: give one for all rows, or one for each backbone in the same order. Received:"
            f" {len(persons)} for {len(backbones)}"
        )
    return [
        {**settings, **{name: found[min(number, len(found) - 1)] for name, found in networks.items()}}
        for number in range(max(1, len(backbones)))
    ]


def _with_person_tower(names: list[str], group: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of each experiment of a row.

    Sister-B multiplies the vectors of its towers. In the paper each of its backbones is as wide as the person tower;
    with another backbone the person tower becomes that backbone, in all cells of the row, so that they compare what
    follows the same two towers.
    """
    settings = {name: dict(group) for name in names}
    systems = {name: _paper_settings(name)["system"] for name in names}
    backbone = group.get("backbone")
    is_papers = backbone is None or same_letters(str(backbone)) in PAPERS_BACKBONES
    if "sister_b" in systems.values() and "person_backbone" not in group and not is_papers:
        for name, system in systems.items():
            if SYSTEMS[system] == ("photo", "segmented"):
                settings[name]["person_backbone"] = backbone
    return settings


def _deviation_of_person_towers(rows: list[list[str]], groups: list[dict[str, Any]]) -> list[str]:
    systems = [
        _paper_settings(name)["system"]
        for group in groups
        for names in rows
        for name, settings in _with_person_tower(names, group).items()
        if settings.keys() - group.keys()
    ]
    if not systems:
        return []
    return [
        f"`person_backbone` is `backbone` in {' and '.join(dict.fromkeys(systems))}, because sister_b needs two towers"
        " of the same width; the paper uses resnet50."
    ]


def _rows(
    form: Mapping[str, Any], experiments: Mapping[str, Experiment], deviations: list[str], *, is_one_group: bool
) -> list[list[Cell]]:
    """The rows of one backbone, or of the paper's; of rows that differ in their batch size only, the first."""
    rows: dict[str, list[Cell]] = {}
    for names in form["rows"]:
        shown = _shown(asdict(experiments[names[0]]))
        label = form.get("row", "").format(**shown)
        if not is_one_group and label != shown["backbone"]:
            label = f"{label} ({shown['backbone']})"
        row = [
            Cell(
                row=label,
                column=column,
                name=name if not deviations else _name(experiments[name]),
                experiment=experiments[name],
                paper=None if deviations else _read("experiments.yaml")["experiments"][name].get("paper"),
            )
            for column, name in zip(form["columns"], names, strict=True)
        ]
        rows.setdefault(label, row)
    return list(rows.values())


def _experiments(row: list[Cell]) -> list[Experiment]:
    return [cell.experiment for cell in row]


def _recorded(networks: Any) -> list[Any]:
    """One network or several, with the hash of their content, which tells files and folders of one name apart."""
    listed = list(networks) if isinstance(networks, list | tuple) else [networks]
    return [with_hash(network) if isinstance(network, str) else network for network in listed]


@cache
def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((resources.files(__package__) / name).read_text(encoding="utf-8"))


def _experiment(name: str, table: str, settings: Mapping[str, Any], segmenters: Mapping[str, str]) -> Experiment:
    paper = _paper_settings(name)
    ours = {**paper, **settings}
    if SYSTEMS[ours["system"]] == ("photo",):
        del ours["segmenter"]  # it has no influence, and the run must not depend on it
    elif "segmenter" not in settings:
        wanted = paper["segmenter"]
        if wanted not in segmenters:
            what = _read("experiments.yaml")["segmenters"][wanted]
            raise InputError(
                f"{table} needs the segmenter {wanted} ({what}): give --segmenter {wanted}=FOLDER, or"
                " --segmenter FOLDER to use one segmenter for all experiments."
            )
        ours["segmenter"] = segmenters[wanted]
    return Experiment(**ours)


def _paper_settings(name: str) -> dict[str, Any]:
    content = _read("experiments.yaml")
    return {key: value for key, value in {**content["every"], **content["experiments"][name]}.items() if key != "paper"}


def _deviations(named: list[str], settings: Mapping[str, Any], dataset: Dataset) -> list[str]:
    deviations = []
    if dataset.schema != DCSA or len(dataset) != DCSA_PHOTOS:
        found = f"{len(dataset):,} photos with {len(dataset.schema)} attributes"
        deviations.append(f"The dataset is not DCSA with its {DCSA_PHOTOS:,} photos; it has {found}.")
    papers = [{**asdict(Experiment()), **_paper_settings(name)} for name in dict.fromkeys(named)]
    for setting, value in settings.items():
        theirs = list(dict.fromkeys(str(paper[setting]) for paper in papers))
        ours = list(map(shown_name, value)) if setting in _NETWORKS else [value]
        # The path of a file is not a setting of the paper, and neither is the seed.
        is_path = (setting == "weights" and value != "none") or (setting == "segmenter" and len(theirs) == 1)
        if not is_path and setting != "seed" and theirs != list(map(str, ours)):
            where = " in every experiment" if len(ours) == 1 else ""
            shown = " or ".join(map(str, ours))
            deviations.append(f"`{setting}` is {shown}{where}; the paper uses {' or '.join(theirs)}.")
    return deviations


def _shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for a page: backbones of your own without their folders."""
    return {name: shown_name(value) if name in _NETWORKS else value for name, value in settings.items()}


def _name(experiment: Experiment) -> str:
    digest = hashlib.sha256(experiment.absolute().to_yaml().encode()).hexdigest()
    return f"{experiment.system}-{short_name(experiment.backbone)}-{digest[:8]}"


def _attributes(form: Mapping[str, Any], dataset: Dataset) -> list[str] | None:
    wanted = form.get("attributes")
    if wanted is None or wanted == "all":
        return wanted and dataset.schema.names
    missing = [name for name in wanted if name not in dataset.schema.names]
    if missing:
        raise InputError(
            f"{form['title'].partition('.')[0]} shows the accuracy of {missing[0]}, which is not an attribute of this"
            " dataset."
        )
    return list(wanted)
