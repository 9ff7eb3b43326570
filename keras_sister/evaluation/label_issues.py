"""Suspicious labels: known labels that the out-of-fold predictions contradict, found by cleanlab.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021,
arXiv:1911.00068). Each attribute is looked at alone, over its known labels. Unknown labels are never asked about.

    issues.csv     photo, attribute, label, suggested, score, flagged: every known label of a tested photo, flagged ones
                   first, then by rising score
"""

import csv
import io
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import is_as_noted, note_file
from keras_sister.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from keras_sister.evaluation.reliability import probability_of
from keras_sister.extras import require
from keras_sister.photo_files import names_within
from keras_sister.run import Run
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.text_files import read_text

COLUMNS = ("photo", "attribute", "label", "suggested", "score", "flagged")
"""The columns of ``issues.csv``."""

_FLAGS = ("no", "yes")
_MAX_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)  # there are as many as known labels
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


def write_issues(run: Run) -> list[LabelIssue]:
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
    issues = ranked(_known_labels(run, predictions, flag_labels(predictions)))
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


def read_issues(run: Run, predictions: OutOfFold | None = None) -> list[LabelIssue]:
    """Read ``issues.csv``, as `write_issues` returned it. cleanlab is not needed.

    Args:
        run: the run.
        predictions: its out-of-fold predictions, if they have been read.

    Raises:
        InputError: if the file is missing, was changed or damaged, or does not follow from the run's predictions.
    """
    file = run.folder / "issues.csv"
    predictions = predictions or read_out_of_fold(run.folder)
    way_out = f"remove it, and 'sister-keras data review {run.folder}' writes it again."
    wrong = InputError(f"{file}: does not follow from the run's predictions; {way_out}")
    try:
        rows = csv.reader(io.StringIO(read_text(file, max_bytes=_MAX_BYTES)), strict=True)
        heading = next(rows, [])
        found = {(i.photo, i.attribute): i for i in _known_labels(run, predictions)}
        issues = [_checked(found.pop((row[0], row[1])), row) for row in rows]
    except (csv.Error, LookupError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise wrong from error
    if tuple(heading) != COLUMNS or found:
        raise wrong
    if not is_as_noted(file):  # what is flagged follows from cleanlab's version too, and cannot be checked otherwise
        raise InputError(f"{file}: not as it was written; it or checksums.json was changed or damaged; {way_out}")
    return ranked(issues)


def _checked(issue: LabelIssue, row: list[str]) -> LabelIssue:
    """A label as a row of the file says it; the score may differ by the last digit, in which processors do."""
    _, _, label, suggested, score, flag = row
    if (label, suggested) != (issue.label, issue.suggested) or flag not in _FLAGS[: 1 + (label != suggested)]:
        raise LookupError
    if not abs(float(score) - issue.score) < 1e-5:
        raise LookupError
    return replace(issue, flagged=flag == "yes")


def ranked(issues: list[LabelIssue]) -> list[LabelIssue]:
    """The order of ``issues.csv``: flagged labels first, then by rising score as it is written."""
    return sorted(issues, key=lambda issue: (not issue.flagged, round(issue.score, 6)))


def _known_labels(run: Run, predictions: OutOfFold, flagged: np.ndarray | None = None) -> list[LabelIssue]:
    """All known labels of the tested photos, photo by photo."""
    tested, photos = np.sort(np.concatenate(run.folds)), names_within(run.photos)
    classes = {"score": np.maximum(predictions.labels, 0), "suggested_score": predictions.predicted}
    scores = {name: probability_of(predictions.schema, predictions.logits, of) for name, of in classes.items()}
    issues = []
    for i, column in np.argwhere(predictions.known).tolist():
        attribute, row = predictions.schema.attributes[column], int(tested[i])
        issues.append(
            LabelIssue(
                row=row,
                photo=photos[row],
                attribute=attribute.name,
                label=attribute.classes[predictions.labels[i, column]],
                suggested=attribute.classes[predictions.predicted[i, column]],
                **{name: float(found[i, column]) for name, found in scores.items()},
                flagged=flagged is not None and bool(flagged[i, column]),
            )
        )
    return issues
