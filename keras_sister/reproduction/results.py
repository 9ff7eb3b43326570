"""A plan and what its experiments answered: the numbers of a table."""

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
    """What a table shows.

    Attributes:
        plan: of the table.
        predictions: of its experiments, by their names.
    """

    plan: Plan
    predictions: Mapping[str, OutOfFold]

    def macc(self, cell: Cell) -> tuple[float, float]:
        """MACC of a cell in %: mean and spread (of the sample) over the folds.

        Raises:
            InputError: if fewer than two folds have known labels.
        """
        maccs = 100 * self.predictions[cell.name].fold_maccs()
        if len(maccs) < 2:
            raise InputError(f"{cell.name}: only one fold has known labels; a table shows the spread over two or more.")
        return float(np.mean(maccs)), float(np.std(maccs, ddof=1))

    def accuracies(self, cell: Cell) -> dict[str, float]:
        """The accuracy in % of each attribute that the table shows and that has known labels."""
        accuracies = self.predictions[cell.name].accuracies()
        return {name: 100 * accuracies[name] for name in self.plan.attributes or [] if name in accuracies}

    def majority(self) -> OutOfFold:
        """What always answering the majority class scores."""
        first = self.predictions[self.plan.rows[0][0].name]
        return majority_predictions(first)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every cell against the first of its row or, in a table of one column, of the table; see `adjusted`."""
        rows = self.plan.rows
        families = [[cell for (cell,) in rows]] if len(rows[0]) == 1 else rows
        found = []
        for family in families:
            groups = [Group((replace(self.predictions[cell.name], name=_called(cell)),)) for cell in family]
            found += compare_with_first(groups)
        return found

    def adjusted(self) -> list[float]:
        """The p-values of the comparisons' t-tests after Holm's correction over all of the table's."""
        return holm(np.array([c.folds.p for c in self.comparisons], np.float64)).tolist()


def to_csv(results: Results) -> str:
    """The table as CSV, a line for each number: all numbers in %."""
    plan = results.plan
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "column", "experiment", "score", "ours", "spread_over_folds", "paper"])
    for cell in (cell for row in plan.rows for cell in row):
        place = [cell.row, cell.column, cell.name]
        for attribute, accuracy in results.accuracies(cell).items():
            writer.writerow([*place, f"accuracy of {attribute}", f"{accuracy:.4f}", "", ""])
        if plan.attributes is None:
            mean, spread = results.macc(cell)
            writer.writerow([*place, "MACC", f"{mean:.4f}", f"{spread:.4f}", "" if cell.paper is None else cell.paper])
    return text.getvalue()


def _called(cell: Cell) -> str:
    """What a cell is called in a comparison: ``sister_a``, ``Sister-A (resnet50)``, or ``Sister-A`` in a figure."""
    if cell.column == "MACC":
        return cell.row
    return f"{cell.column} ({cell.row})" if cell.row else cell.column
