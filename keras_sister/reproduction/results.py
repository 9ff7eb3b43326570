"""The numbers of a table, from its plan and the out-of-fold predictions of its experiments."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.comparison import Comparison, Group, compare_with_first
from keras_sister.evaluation.out_of_fold import OutOfFold, majority_predictions
from keras_sister.evaluation.paired import holm
from keras_sister.reproduction.plan import Cell, Plan


@dataclass(frozen=True)
class Results:
    """The numbers of a table.

    Attributes:
        plan: plan of the table.
        predictions: out-of-fold predictions of each experiment, by its name.
    """

    plan: Plan
    predictions: Mapping[str, OutOfFold]

    def macc(self, cell: Cell) -> tuple[float, float]:
        """MACC of a cell in %: mean and sample standard deviation over the folds.

        Raises:
            InputError: if fewer than two folds have known labels.
        """
        maccs = 100 * self.predictions[cell.name].fold_maccs()
        if len(maccs) < 2:
            raise InputError(f"{cell.name}: only one fold has known labels; a table shows the spread over two or more.")
        return float(np.mean(maccs)), float(np.std(maccs, ddof=1))

    def accuracies(self, cell: Cell) -> dict[str, float]:
        """Accuracy in % of each attribute in the table that has known labels, by its name."""
        accuracies = self.predictions[cell.name].accuracies()
        return {name: 100 * accuracies[name] for name in self.plan.attributes or [] if name in accuracies}

    def majority(self) -> OutOfFold:
        """Predictions of the majority class for every photo, as a reference."""
        first = self.predictions[self.plan.rows[0][0].name]
        return majority_predictions(first)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Each cell compared with the first of its row, or with the first of the table if it has one column."""
        rows = self.plan.rows
        families = [[cell for (cell,) in rows]] if len(rows[0]) == 1 else rows
        found = []
        for family in families:
            groups = [Group((replace(self.predictions[cell.name], name=_called(cell)),)) for cell in family]
            found += compare_with_first(groups)
        return found

    def adjusted(self) -> list[float]:
        """p-values of the comparisons' t-tests after Holm's correction over all comparisons of the table."""
        return holm(np.array([c.over_folds.p for c in self.comparisons], np.float64)).tolist()


def to_csv(results: Results) -> str:
    """The table as CSV with a heading and one line per number; all numbers are in %."""
    plan = results.plan
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "column", "experiment", "score", "ours", "std_over_folds", "paper"])
    for cell in (cell for row in plan.rows for cell in row):
        labels = [cell.row, cell.column, cell.name]
        for attribute, accuracy in results.accuracies(cell).items():
            writer.writerow([*labels, f"accuracy of {attribute}", f"{accuracy:.4f}", "", ""])
        if plan.attributes is None:
            mean, deviation = results.macc(cell)
            paper = "" if cell.paper is None else cell.paper
            writer.writerow([*labels, "MACC", f"{mean:.4f}", f"{deviation:.4f}", paper])
    return text.getvalue()


def _called(cell: Cell) -> str:
    """Name of a cell in a comparison: ``sister_a``, ``Sister-A (resnet50)``, or ``Sister-A`` in a figure."""
    if cell.column == "MACC":
        return cell.row
    return f"{cell.column} ({cell.row})" if cell.row else cell.column
