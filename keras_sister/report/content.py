"""What the page of a run shows, as plain numbers and text. Everything is computed from the run folder."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_sister.evaluation.attribute_metrics import attribute_metrics
from keras_sister.evaluation.intervals import accuracy_intervals
from keras_sister.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from keras_sister.evaluation.reliability import probability_of
from keras_sister.evaluation.summary import read_summary
from keras_sister.evaluation.thresholds import read_thresholds
from keras_sister.photo_files import names_within
from keras_sister.report.charts import LineChart, line_chart
from keras_sister.report.issues_section import IssuesSection, issues_section
from keras_sister.report.robustness_section import robustness_rows
from keras_sister.report.thresholds_section import reliability_sections
from keras_sister.run import Run, changed
from keras_sister.schema import Schema
from keras_sister.training.work_record import read_work

_MOST_PAIRS = 20  # of confused classes, where a matrix would be too large


@dataclass(frozen=True)
class Finding:
    """One photo that is shown with its views, and why.

    Attributes:
        row: row of the photo in the run.
        photo: its file name.
        facts: headings and texts below the picture.
    """

    row: int
    photo: str
    facts: dict[str, str]


@dataclass(frozen=True)
class RunContent:
    """The content of a run's page.

    Attributes:
        name: name of the run, for display.
        predictions: its out-of-fold predictions.
        summary: content of ``summary.json``.
        metrics: see `keras_sister.evaluation.attribute_metrics.attribute_metrics`.
        attributes: a row for each attribute: ``name``, ``known``, ``unknown``, ``majority``, ``accuracy``, ``low`` and
            ``high`` (its interval), ``balanced_accuracy``, ``f1``, ``average_precision``; None where nothing is known.
        reliability: before and after calibration, see `reliability_sections`.
        curves: charts by heading.
        best_epochs: of each fold, counted from 1.
        mistakes: the wrong predictions with the highest probabilities.
        nobody: photos in which no person was found; None for a system that looks at whole photos only.
        left_out: photos that could not be read, with their reasons.
        classes: by attribute name the number of photos by class, of all photos of the run.
        work: content of ``work.json``: the tasks that were completed, with seconds and versions.
        thresholds: see `keras_sister.evaluation.thresholds.fit_thresholds`; None where none were fitted.
        robustness, issues: see `robustness_rows` and `issues_section`.
    """

    name: str
    run: Run
    predictions: OutOfFold
    summary: dict[str, Any]
    metrics: dict[str, Any]
    attributes: list[dict[str, Any]]
    reliability: dict[str, dict[str, Any]]
    curves: dict[str, LineChart]
    best_epochs: list[int]
    mistakes: list[Finding]
    nobody: list[str] | None
    left_out: list[dict[str, Any]]
    classes: dict[str, dict[str, int]]
    work: list[dict[str, Any]]
    thresholds: dict[str, Any] | None
    robustness: list[dict[str, Any]]
    issues: IssuesSection | None

    @property
    def unit(self) -> str:
        """What intervals are over: ``photos`` or ``groups``."""
        return "photos" if self.predictions.groups is None else "groups"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in ``config.yaml``, by name."""
        return asdict(self.run.experiment)

    @property
    def versions(self) -> list[dict[str, str]]:
        """The different sets of package versions that worked on the run."""
        every = [task["versions"] for task in self.work]
        return [versions for i, versions in enumerate(every) if versions not in every[:i]]

    def frequent_mistakes(self, name: str) -> list[dict[str, Any]]:
        """The pairs of classes of an attribute that are confused most: ``label``, ``prediction``, ``photos``."""
        counts = np.array(self.metrics["attributes"][name]["confusion"])
        np.fill_diagonal(counts, 0)
        classes = self.predictions.schema.attribute(name).classes
        order = np.argsort(-counts, axis=None, kind="stable")[:_MOST_PAIRS]
        pairs = [np.unravel_index(place, counts.shape) for place in order.tolist()]
        return [
            {"label": classes[i], "prediction": classes[j], "photos": int(counts[i, j])}
            for i, j in pairs
            if counts[i, j]
        ]


def run_content(run: Run, *, name: str | None = None, shown: int = 24) -> RunContent:
    """Compute the content of a finished run's page.

    Args:
        run: a finished cross-validation.
        name: name for display; that of the folder by default.
        shown: the most photos of a kind.

    Raises:
        InputError: if the run has not ended or a file is damaged, naming it.
    """
    ours = read_out_of_fold(run.folder)
    summary = read_summary(run, ours)
    metrics = attribute_metrics(ours.schema, ours.labels, ours.logits)
    return RunContent(
        name=name or run.folder.resolve().name,
        run=run,
        predictions=ours,
        summary=summary,
        metrics=metrics,
        attributes=_attributes(ours, summary, metrics),
        reliability=reliability_sections(ours),
        curves=_curves(run),
        best_epochs=[fold["best_epoch"] + 1 for fold in summary["folds"]],
        mistakes=most_certain_mistakes(run, ours, shown),
        nobody=_nobody(run, run.views.get("without_person")) if run.experiment.needs_masks else None,
        left_out=run.read("left_out.json") if run.left_out else [],
        classes=_class_counts(run.schema, run.labels),
        work=read_work(run),
        thresholds=read_thresholds(run, ours),
        robustness=robustness_rows(summary),
        issues=issues_section(run, ours),
    )


def _nobody(run: Run, noted: Any) -> list[str] | None:
    """The names of the photos in which nobody was found; None in a run of before they were noted.

    They are noted as rows; earlier versions noted their names.
    """
    if noted is None:
        return None
    photos = dict(enumerate(names_within(run.photos)))
    names = [str(photos.get(row) if type(row) is int else row) for row in noted] if isinstance(noted, list) else [""]
    if not _rows_by_name(run).keys() >= set(names):
        raise changed(run.folder / "views.json")
    return names


def tested_rows(run: Run) -> np.ndarray:
    """The rows in the run of the photos that are tested, in the order of `OutOfFold`: int array."""
    return np.sort(np.concatenate(run.folds))


def most_certain_mistakes(run: Run, ours: OutOfFold, shown: int) -> list[Finding]:
    """The wrong predictions on known labels with the highest probabilities, in falling order."""
    probabilities = probability_of(ours.schema, ours.logits, ours.predicted)
    wrong = np.argwhere(ours.known & ~ours.correct)
    order = np.argsort(-probabilities[wrong[:, 0], wrong[:, 1]], kind="stable")[:shown]
    rows = tested_rows(run)
    found = []
    for i, column in wrong[order]:
        attribute = ours.schema.attributes[column]
        facts = {
            "attribute": attribute.name,
            "label": attribute.classes[ours.labels[i, column]],
            "prediction": attribute.classes[ours.predicted[i, column]],
            "probability": f"{100 * probabilities[i, column]:.1f} %",
        }
        found.append(Finding(int(rows[i]), ours.photos[i][0], facts))
    return found


def photos_named(run: Run, names: list[str]) -> list[Finding]:
    """Findings without facts for the photos of these names."""
    rows = _rows_by_name(run)
    return [Finding(row, name, {}) for name in names if (row := rows[name]) is not None]


def _rows_by_name(run: Run) -> dict[str, int | None]:
    """The row of each photo: by its name within the run, and as earlier versions noted it, None where two have that."""
    photos = run.photos
    bare: dict[str, int | None] = {}
    for row, photo in enumerate(photos):
        bare[photo.name] = None if photo.name in bare else row
    return bare | {name: row for row, name in enumerate(names_within(photos))}


def _attributes(ours: OutOfFold, summary: dict[str, Any], metrics: dict[str, Any]) -> list[dict[str, Any]]:
    intervals = accuracy_intervals(ours.known, ours.correct, groups=ours.groups)
    rows = []
    for (name, scores), (low, high) in zip(summary["attributes"].items(), intervals.tolist(), strict=True):
        more = metrics["attributes"][name]
        known = scores["known"]
        rows.append(
            {
                "name": name,
                **scores,
                "unknown": len(ours.labels) - known,
                "low": low if known else None,
                "high": high if known else None,
                **{score: more[score] for score in ("balanced_accuracy", "f1", "average_precision")},
            }
        )
    return rows


def _curves(run: Run) -> dict[str, LineChart]:
    histories = [run.read(f"{run.fold(number).name}/history.json")["epochs"] for number in range(len(run.folds))]

    def lines(score: str, scale: float) -> dict[str, list[list[float]]]:
        kinds = {"train": score, "val": f"val_{score}"}
        found = {kind: [[scale * e[key] for e in h] for h in histories if key in h[0]] for kind, key in kinds.items()}
        return {kind: folds for kind, folds in found.items() if folds}

    charts = {"Loss": line_chart(lines("loss", 1)), "MACC, %": line_chart(lines("macc", 100), highest=100)}
    return {heading: chart for heading, chart in charts.items() if chart}


def _class_counts(schema: Schema, labels: np.ndarray) -> dict[str, dict[str, int]]:
    return {
        attribute.name: {name: int((labels[:, i] == number).sum()) for number, name in enumerate(attribute.classes)}
        for i, attribute in enumerate(schema)
    }


def distinct_names(folders: list[Path]) -> list[str]:
    """Names of runs for display: those of the folders, or their paths where two are equal."""
    names = [folder.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders, strict=True)]
