"""The section of suspicious labels; the page has it if the run folder holds ``issues.csv``."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from keras_sister.evaluation.label_issues import LabelIssue, LabelIssues, read_issues
from keras_sister.evaluation.out_of_fold import OutOfFold
from keras_sister.run import Run


@dataclass(frozen=True)
class IssuesSection:
    """The content of the section.

    Attributes:
        known: number of known labels.
        flagged: the flagged ones, the most suspicious first.
    """

    known: int
    flagged: LabelIssues

    @property
    def attributes(self) -> list[dict[str, Any]]:
        """By attribute ``name`` and number of ``flagged`` labels, the most first, without those that have none."""
        counts = Counter(issue.attribute for issue in self.flagged)
        return [{"name": name, "flagged": flagged} for name, flagged in counts.most_common()]


def issues_section(run: Run, predictions: OutOfFold) -> IssuesSection | None:
    """The content of the section; None without ``issues.csv``.

    Raises:
        InputError: as `keras_sister.evaluation.label_issues.read_issues` does.
    """
    if not (run.folder / "issues.csv").exists():
        return None
    issues = read_issues(run, predictions)
    return IssuesSection(len(issues), issues.flagged)


def issue_facts(issue: LabelIssue) -> dict[str, str]:
    """What is said about a flagged label below its pictures."""
    return {
        "attribute": issue.attribute,
        "label": f"{issue.label} ({100 * issue.score:.1f} %)",
        "suggested": f"{issue.suggested} ({100 * issue.suggested_score:.1f} %)",
    }
