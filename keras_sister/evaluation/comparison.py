"""Compare cross-validations fold by fold and photo by photo."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from keras_sister.errors import InputError
from keras_sister.evaluation.out_of_fold import OutOfFold, majority_predictions
from keras_sister.evaluation.paired import Difference, bootstrap_macc, corrected_t_test, holm, sign_test
from keras_sister.schema import Schema


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed: one system, cross-validated several times.

    Attributes:
        runs: one per seed.
    """

    runs: tuple[OutOfFold, ...]

    @property
    def name(self) -> str:
        """Name of the first run, with the number of seeds if there are several."""
        return self.runs[0].name + (f" ×{len(self.runs)} seeds" if len(self.runs) > 1 else "")

    @property
    def schema(self) -> Schema:
        return self.runs[0].schema

    @property
    def seeds(self) -> list[int]:
        return [run.experiment.seed for run in self.runs]

    @property
    def known(self) -> np.ndarray:
        """Known labels: bool array, shape (photos, attributes)."""
        return self.runs[0].known

    @property
    def correct(self) -> np.ndarray:
        """Share of the runs with a correct prediction: float array, shape (photos, attributes); 0 where unknown."""
        return np.mean([run.correct for run in self.runs], axis=0)

    def accuracies(self) -> dict[str, float]:
        """Accuracy of every attribute that has known labels, mean over the runs."""
        each = [run.accuracies() for run in self.runs]
        return {name: float(np.mean([accuracies[name] for accuracies in each])) for name in each[0]}

    def fold_maccs(self) -> np.ndarray:
        """MACC of every fold with a known label, of every run: float array, shape (at most runs · folds,)."""
        return np.concatenate([run.fold_maccs() for run in self.runs])

    def seed_maccs(self) -> np.ndarray:
        """MACC of every run, the mean over its folds: float array, shape (runs,)."""
        return np.array([run.fold_maccs().mean() for run in self.runs])

    def majority(self) -> "Group":
        """The majority class on the same folds."""
        return Group(tuple(majority_predictions(run) for run in self.runs))


@dataclass(frozen=True)
class AttributeDifference:
    """Two systems on one attribute: accuracies over all photos, and the p-value of the sign test after Holm's
    correction."""

    name: str
    first: float
    second: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """One system compared with a reference.

    Attributes:
        first: name of the reference.
        second: name of the other system.
        folds: MACC of the second minus the first over the folds, by the corrected resampled t-test; None where only one
            fold has known labels, such as that of an official split: one number has no spread.
        photos: the same over all photos, by the paired bootstrap; over all groups, where photos have them.
        attributes: the differences by attribute.
    """

    first: str
    second: str
    folds: Difference | None
    photos: Difference
    attributes: list[AttributeDifference]

    @property
    def over_folds(self) -> Difference:
        """`folds`, where it is needed.

        Raises:
            InputError: if only one fold has known labels.
        """
        if self.folds is None:
            raise InputError(
                f"{self.second}: only one fold has known labels; a comparison over folds needs two or more."
            )
        return self.folds

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, for JSON."""
        return asdict(self)


def group_by_seed(runs: Sequence[OutOfFold]) -> list[Group]:
    """Group runs that differ only in their seed; groups are in the order of their first runs."""
    groups: list[list[OutOfFold]] = []
    for run in runs:
        for group in groups:
            first = replace(group[0].experiment, seed=0)
            same = replace(run.experiment, seed=0).contents() == first.contents()
            if same and run.experiment.seed not in [other.experiment.seed for other in group]:
                group.append(run)
                break
        else:
            groups.append([run])
    return [Group(tuple(sorted(group, key=lambda run: run.experiment.seed))) for group in groups]


def compare_systems(groups: Sequence[Group], *, seed: int = 0) -> list[Comparison]:
    """Compare every system with the first, and the first with predicting the majority class.

    Args:
        groups: one or more, see `group_by_seed`, with the same photos, labels, seeds and folds.
        seed: random seed of the bootstrap.

    Returns:
        The first system compared with the majority class (as the reference), then each further system with the first.

    Raises:
        InputError: if the runs cannot be paired, naming the difference.
    """
    with_first = compare_with_first(groups, seed=seed)
    return [_compare_two(groups[0].majority(), groups[0], seed=seed), *with_first]


def compare_with_first(groups: Sequence[Group], *, seed: int = 0) -> list[Comparison]:
    """Like `compare_systems`, without the majority class."""
    reference = groups[0]
    for run in reference.runs[1:]:
        _must_agree(reference.runs[0], run)
    for group in groups[1:]:
        if group.seeds != reference.seeds:
            raise InputError(f"{group.name} has seeds {group.seeds}, but {reference.name} has {reference.seeds}.")
        for ours, theirs in zip(reference.runs, group.runs, strict=True):
            _must_agree(ours, theirs)
            _must_pair(ours, theirs)
    return [_compare_two(reference, group, seed=seed) for group in groups[1:]]


def _must_agree(first: OutOfFold, second: OutOfFold) -> None:
    """Refuse runs with different attributes, photos or labels."""
    if first.schema != second.schema:
        differ = set(first.schema.attributes) ^ set(second.schema.attributes)
        names = ", ".join(sorted({attribute.name for attribute in differ})) or "their order"
        raise InputError(f"{second.name}: the schema differs from that of {first.name}: {names}.")
    if len(first.photos) != len(second.photos):
        raise InputError(f"{second.name}: {len(second.photos)} photos, but {first.name} has {len(first.photos)}.")
    for (name, key), (other_name, other_key) in zip(first.photos, second.photos, strict=True):
        if key != other_key:
            raise InputError(f"{second.name}: photo {other_name} is not the {name} of {first.name}.")
    unequal = np.argwhere(first.labels != second.labels)
    if len(unequal):
        row, column = unequal[0]
        label = f"'{first.schema.names[column]}' of {first.photos[row][0]}"
        more = f" and {len(unequal) - 1} more" if len(unequal) > 1 else ""
        raise InputError(f"{second.name}: labels differ from those of {first.name}: {label}{more}.")
    _must_agree_on_groups(first, second)


def _must_agree_on_groups(first: OutOfFold, second: OutOfFold) -> None:
    """Refuse runs with different groups: intervals and tests are by group, and folds follow the groups."""
    if first.groups is None and second.groups is None:
        return
    way_out = "run both with one dataset file."
    if first.groups is None or second.groups is None:
        with_groups, without = (first, second) if second.groups is None else (second, first)
        raise InputError(
            f"{second.name} cannot be compared with {first.name}: {with_groups.name} keeps groups of photos together,"
            f" {without.name} has no groups; {way_out}"
        )
    unequal = np.flatnonzero(first.groups != second.groups)
    if len(unequal):
        row = unequal[0]
        raise InputError(
            f"{second.name} cannot be compared with {first.name}: {len(unequal)} photos are in other groups, such as"
            f" {first.photos[row][0]} in '{second.groups[row]}', not '{first.groups[row]}'; {way_out}"
        )


def _must_pair(first: OutOfFold, second: OutOfFold) -> None:
    """Refuse runs with different folds."""
    if len(first.folds) != len(second.folds):
        raise InputError(f"{second.name}: {len(second.folds)} folds, but {first.name} has {len(first.folds)}.")
    if not all(np.array_equal(a, b) for a, b in zip(first.folds, second.folds, strict=True)):
        raise InputError(f"{second.name}: the folds differ from those of {first.name}; run both with one --seed.")


def _compare_two(first: Group, second: Group, *, seed: int) -> Comparison:
    known, correct, other = first.known, first.correct, second.correct
    groups = second.runs[0].groups
    p_values = [
        sign_test(correct[k, i], other[k, i], groups=None if groups is None else groups[k])
        for i, k in enumerate(known.T)
    ]
    scores = zip(first.accuracies().items(), second.accuracies().values(), strict=True)
    adjusted = dict(zip(first.schema.names, holm(np.array(p_values)), strict=True))
    return Comparison(
        first.name,
        second.name,
        _compare_folds(first, second),
        bootstrap_macc(known, other, correct, groups=groups, seed=seed),
        [AttributeDifference(name, a, b, float(adjusted[name])) for (name, a), b in scores],
    )


def _compare_folds(first: Group, second: Group) -> Difference | None:
    if len(first.runs[0].fold_maccs()) < 2:
        return None
    photos = len(first.known)
    tested = photos / len(first.runs[0].folds)
    return corrected_t_test(second.fold_maccs() - first.fold_maccs(), test_share=tested / (photos - tested))
