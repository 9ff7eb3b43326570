"""Suspicious labels: known labels that the out-of-fold predictions contradict, found by cleanlab.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021,
arXiv:1911.00068). Each attribute is looked at alone, over its known labels. Unknown labels are never asked about.

    issues.csv     photo, attribute, label, suggested, score, flagged: every known label of a tested photo, flagged ones
                   first, then by rising score
"""

import csv
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import is_as_noted, note_file
from keras_sister.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from keras_sister.evaluation.reliability import probability_of
from keras_sister.extras import require
from keras_sister.photo_files import names_within
from keras_sister.run import Run
from keras_sister.schema import Schema
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.text_files import open_text

COLUMNS = ("photo", "attribute", "label", "suggested", "score", "flagged")
"""The columns of ``issues.csv``."""

_FLAGS = ("no", "yes")
_MAX_BYTES = 1_000_000_000

_INDICES = ("row", "attribute", "label", "suggested")
_FIELDS = np.dtype([*((name, "i4") for name in _INDICES), ("score", "f8"), ("suggested_score", "f8"), ("flagged", "?")])
"""A known label as 33 bytes: row of the photo, column of the attribute, class indices, and as in `LabelIssue`."""


@dataclass(frozen=True)
class LabelIssue:
    """One known label.

    Attributes:
        row: row of the photo in the run.
        photo: its path, relative to the folder that holds all photos of the run.
        attribute: name of the attribute.
        label: its class.
        suggested: the class with the highest out-of-fold probability.
        score: the out-of-fold probability of `label`, in [0, 1]; a low one is suspicious.
        suggested_score: that of `suggested`.
        flagged: whether cleanlab suspects the label to be wrong.
    """

    row: int
    photo: str
    attribute: str
    label: str
    suggested: str
    score: float
    suggested_score: float
    flagged: bool


class LabelIssues(Sequence[LabelIssue]):
    """Known labels, in the order of ``issues.csv``. Each becomes a `LabelIssue` when it is asked for.

    A run has as many as photos times attributes, so they are kept as an array.

    Args:
        schema: attributes and classes.
        photos: the path of every photo of the run, as in `LabelIssue`.
        fields: structured array, shape (labels,), of the dtype `_FIELDS`.

    Example:
        >>> issues = read_issues(Run(Path("runs/sister_a")))
        >>> len(issues), len(issues.flagged), issues[0].attribute
        (43127, 212, 'scarf')
    """

    def __init__(self, schema: Schema, photos: Sequence[str], fields: np.ndarray) -> None:
        self.schema, self.photos, self.fields = schema, photos, fields

    @property
    def flagged(self) -> "LabelIssues":
        """The flagged labels, which lead the list; a copy, so that the others need not be kept."""
        return LabelIssues(self.schema, self.photos, self.fields[self.fields["flagged"]])

    def __len__(self) -> int:
        return len(self.fields)

    @overload
    def __getitem__(self, index: int) -> LabelIssue: ...

    @overload
    def __getitem__(self, index: slice) -> "LabelIssues": ...

    def __getitem__(self, index: int | slice) -> "LabelIssue | LabelIssues":
        if isinstance(index, slice):
            return LabelIssues(self.schema, self.photos, self.fields[index])
        row, column, label, suggested, score, suggested_score, flagged = self.fields[index].item()
        attribute = self.schema.attributes[column]
        classes = attribute.classes
        return LabelIssue(
            row,
            self.photos[row],
            attribute.name,
            classes[label],
            classes[suggested],
            score,
            suggested_score,
            flagged,
        )


def flag_labels(predictions: OutOfFold) -> np.ndarray:
    """Find the labels that are suspected to be wrong.

    Args:
        predictions: out-of-fold predictions.

    Returns:
        bool array, shape (photos, attributes); false where the label is unknown, where it is the predicted class, and
        for an attribute of which one class only is known.

    Raises:
        InputError: if cleanlab is not installed.
    """
    require(("cleanlab",), "The list of suspicious labels, issues.csv, needs cleanlab", "review")
    from cleanlab.filter import find_label_issues

    flagged = np.zeros(predictions.labels.shape, bool)
    probabilities = predictions.schema.probabilities(predictions.logits)
    for column, attribute in enumerate(predictions.schema):
        known = predictions.known[:, column]
        labels = predictions.labels[known, column]
        if len(np.unique(labels)) < 2:
            continue
        of_class = probabilities[attribute.name][known]
        if attribute.is_binary:
            of_class = np.stack([1 - of_class, of_class], axis=1)
        # In this process: cleanlab forks workers otherwise, and TensorFlow does not survive a fork.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it flags no label of a rare class
            flagged[known, column] = find_label_issues(labels, of_class, n_jobs=1)
    return flagged & (predictions.labels != predictions.predicted)


def write_issues(run: Run) -> LabelIssues:
    """Write ``issues.csv`` of a finished cross-validation.

    Returns:
        What it holds, in its order.

    Raises:
        InputError: if the run has not ended or a file is damaged, naming it; if cleanlab is not installed.

    Example:
        >>> write_issues(Run(Path("runs/sister_a")))[0]
        LabelIssue(row=16, photo='000017.jpg', attribute='scarf', label='yes', suggested='no', score=0.0007,
        suggested_score=0.9993, flagged=True)
    """
    predictions = read_out_of_fold(run.folder)
    issues = _ranked(_known_labels(run, predictions, flag_labels(predictions)))
    file = run.folder / "issues.csv"

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(COLUMNS)
            for issue in issues:
                facts = (issue.photo, issue.attribute, issue.label, issue.suggested)
                table.writerow((*facts, f"{issue.score:.6f}", _FLAGS[issue.flagged]))
        note_file(file, path)

    write_atomically(file, write)
    return issues


def read_issues(run: Run, predictions: OutOfFold | None = None) -> LabelIssues:
    """Read ``issues.csv``, as `write_issues` returned it. cleanlab is not needed.

    Args:
        run: the run.
        predictions: its out-of-fold predictions, if they have been read.

    Raises:
        InputError: if the file is missing, was changed or damaged, or does not follow from the run's predictions.
    """
    file = run.folder / "issues.csv"
    predictions = predictions or read_out_of_fold(run.folder)
    issues = _known_labels(run, predictions, np.zeros(predictions.labels.shape, bool))
    way_out = f"remove it, and 'sister-keras data review {run.folder}' writes it again."
    try:
        with open_text(file, max_bytes=_MAX_BYTES, newline="") as stream:
            _take_flags(issues, csv.reader(stream, strict=True))
    except (csv.Error, LookupError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: does not follow from the run's predictions; {way_out}") from error
    if not is_as_noted(file):  # what is flagged follows from cleanlab's version too, and cannot be checked otherwise
        raise InputError(f"{file}: not as it was written; it or checksums.json was changed or damaged; {way_out}")
    return _ranked(issues)


def _take_flags(issues: LabelIssues, rows: Iterator[list[str]]) -> None:
    """Take the flags from the rows of the file, which must be about these labels, each once.

    Raises:
        LookupError, ValueError: if they are not.
    """
    if tuple(next(rows, ())) != COLUMNS:
        raise LookupError
    row_of = {photo: row for row, photo in enumerate(issues.photos)}
    column_of = {name: column for column, name in enumerate(issues.schema.names)}
    waiting = np.full((len(row_of), len(column_of)), -1, np.int32)
    waiting[issues.fields["row"], issues.fields["attribute"]] = np.arange(len(issues))
    for photo, attribute, label, suggested, score, flag in rows:
        place = row_of[photo], column_of[attribute]
        number = waiting.item(place)
        if number < 0:
            raise LookupError
        waiting[place] = -1
        issue = issues[number]
        if (label, suggested) != (issue.label, issue.suggested) or flag not in _FLAGS[: 1 + (label != suggested)]:
            raise LookupError
        if not abs(float(score) - issue.score) < 1e-5:  # processors differ in the last digit
            raise LookupError
        issues.fields["flagged"][number] = flag == "yes"
    if (waiting >= 0).any():
        raise LookupError


def _ranked(issues: LabelIssues) -> LabelIssues:
    """The order of ``issues.csv``: flagged labels first, then by rising score as it is written."""
    # Python's `round`, which is exact as the text is; NumPy's is not.
    written = np.fromiter((round(float(score), 6) for score in issues.fields["score"]), np.float64, len(issues))
    order = np.lexsort((written, ~issues.fields["flagged"]))
    return LabelIssues(issues.schema, issues.photos, issues.fields[order])


def _known_labels(run: Run, predictions: OutOfFold, flagged: np.ndarray) -> LabelIssues:
    """All known labels of the tested photos, photo by photo."""
    tested = np.sort(np.concatenate(run.folds))
    labels, predicted = predictions.labels, predictions.predicted
    known = np.nonzero(predictions.known)
    fields = np.empty(len(known[0]), _FIELDS)
    fields["row"], fields["attribute"] = tested[known[0]], known[1]
    fields["label"], fields["suggested"], fields["flagged"] = labels[known], predicted[known], flagged[known]
    for name, classes in {"score": np.maximum(labels, 0), "suggested_score": predicted}.items():
        fields[name] = probability_of(predictions.schema, predictions.logits, classes)[known]
    return LabelIssues(predictions.schema, names_within(run.photos), fields)
