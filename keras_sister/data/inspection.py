"""What reading a dataset found: the dataset, as far as it is usable, and every problem."""

from dataclasses import dataclass

from keras_sister.data.dataset import Dataset
from keras_sister.data.finding import Finding


@dataclass(frozen=True)
class Inspection:
    """A dataset with all of its problems.

    Attributes:
        dataset: the photos that were found, with their labels; a label with a problem is unknown.
        findings: every problem, naming file and row; empty if the dataset can be trained on.
    """

    dataset: Dataset
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[str]:
        """The texts of the findings."""
        return [finding.text for finding in self.findings]
