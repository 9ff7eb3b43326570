"""How many wrong labels the list of suspicious labels finds, on synthetic photos whose labels were flipped by a seed.

python -m benchmarks.label_issues work [--photos 500] [--flipped 0.03] [--seed 0] [--folds 4] [--epochs 12] …

Writes synthetic photos, flips a share of the known labels to another class, cross-validates Sister-A on ImageNet towers
that stay frozen, and compares ``issues.csv`` with what was flipped. A second call with the same folder resumes.
"""

from pathlib import Path

import click
import numpy as np
from sklearn.metrics import average_precision_score

from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa, write_labels
from keras_sister.evaluation.label_issues import LabelIssue, write_issues
from keras_sister.run import Run
from keras_sister.schema import DCSA
from keras_sister.street import write_street
from keras_sister.training.cross_validation import cross_validate


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--photos", default=500, show_default=True)
@click.option("--flipped", default=0.03, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--folds", default=4, show_default=True)
@click.option("--epochs", default=12, show_default=True)
@click.option("--size", default=128, show_default=True)
@click.option("--learning-rate", default=3e-3, show_default=True)
def main(folder: Path, photos: int, flipped: float, seed: int, **settings: float) -> None:
    street = folder / "street"
    truth = flip_labels(street, photos, flipped, seed)
    experiment = Experiment(
        system="sister_a",
        backbone="efficientnet-lite0",
        person_backbone="efficientnet-lite0",
        trainable="head",
        segmenter=f"masks:{street / 'masks'}",
        seed=seed,
        **settings,
    )
    summary = cross_validate(load_dcsa(street), experiment, folder / "run", resume=True)
    run = Run(folder / "run")
    issues = write_issues(run)
    wrong = np.array([is_wrong(issue, truth) for issue in issues])
    print(
        f"{photos} photos, {len(issues):,} known labels, {wrong.sum()} of them flipped; MACC {summary['macc']['mean']}"
    )
    print("| attribute | known | flipped | flagged | both | precision, % | recall, % | average precision, % |")
    print("|---|---|---|---|---|---|---|---|")
    for name in ("all", *DCSA.names):
        rows = [i for i, issue in enumerate(issues) if name in ("all", issue.attribute)]
        print(f"| {name} | {' | '.join(scores([issues[i] for i in rows], wrong[rows]))} |")
    for length in (50, 100, 200, int(wrong.sum())):
        print(f"of the first {length}, {wrong[:length].mean():.0%} were flipped")


def flip_labels(street: Path, photos: int, flipped: float, seed: int) -> np.ndarray:
    """Write the dataset; returns the true labels."""
    write_street(street, photos=photos, seed=seed)
    truth = load_dcsa(street).labels
    rng = np.random.default_rng([seed, 18])
    known = np.argwhere(truth >= 0)
    chosen = rng.permutation(known)[: round(flipped * len(known))]
    labels = truth.copy()
    for row, column in chosen:
        classes = len(DCSA.attributes[column].classes)
        labels[row, column] = (labels[row, column] + rng.integers(1, classes)) % classes
    write_labels(street, DCSA, labels)
    return truth


def is_wrong(issue: LabelIssue, truth: np.ndarray) -> bool:
    column = DCSA.names.index(issue.attribute)
    return DCSA.attributes[column].classes[truth[issue.row, column]] != issue.label


def scores(issues: list[LabelIssue], wrong: np.ndarray) -> list[str]:
    """Numbers of labels, flipped, flagged and both; precision, recall, average precision of the order, in %."""
    flagged = np.array([issue.flagged for issue in issues])
    both = int((flagged & wrong).sum())
    order = np.arange(len(issues), 0, -1)
    shares = (
        both / flagged.sum() if flagged.any() else None,
        both / wrong.sum() if wrong.any() else None,
        average_precision_score(wrong, order) if wrong.any() else None,
    )
    counts = (len(issues), int(wrong.sum()), int(flagged.sum()), both)
    return [*map(str, counts), *("–" if share is None else f"{100 * share:.0f}" for share in shares)]


if __name__ == "__main__":
    main()
