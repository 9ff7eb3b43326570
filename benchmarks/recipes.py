"""What each choice of training changes: cross-validations on synthetic photos that differ in one thing.

Each row is a run folder; what is finished is kept, so that the script can be interrupted and called again, also with
more rows. The table gives the difference in MACC to the row that it is compared with, over all photos with the 95 %
interval of a paired bootstrap.

    python -m benchmarks.recipes OUT [--photos 240] [--rows start,mean_pooling] [--size 96] [--folds 3] [--epochs 6]
"""

from pathlib import Path
from typing import Any

import click

from keras_sister.config import RECIPES, Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.evaluation.comparison import Group, compare_with_first
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.run import Run
from keras_sister.street import write_street
from keras_sister.training.cross_validation import cross_validate

START = {"system": "baseline", "backbone": "efficientnet-lite0", "batch_size": 16, "learning_rate": 3e-4}
WARM = {**START, "warm_up_epochs": 2, "learning_rate": 1e-3, "tower_rate": 0.1}
LITE = {"backbone": "efficientnet-lite0", "person_backbone": "efficientnet-lite0"}
HEAD = {**LITE, "system": "sister_a", "trainable": "head", "batch_size": 32}
FROZEN = {**HEAD, **RECIPES["frozen"]}

ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "start": (START, "start"),
    "batch_norm_trained": ({**START, "batch_norm": "train"}, "start"),
    "warm_up": (WARM, "start"),
    "mean_pooling": ({**WARM, "pooling": "mean"}, "warm_up"),
    "cosine": ({**WARM, "schedule": "cosine"}, "warm_up"),
    "averaged_weights": ({**WARM, "average_weights": 0.9}, "warm_up"),
    "flip_average": ({**WARM, "flip_average": True}, "warm_up"),
    "augment": ({**WARM, "augment": True}, "warm_up"),
    "label_smoothing": ({**WARM, "label_smoothing": 0.1}, "warm_up"),
    "balanced": ({**WARM, "class_weights": "balanced"}, "warm_up"),
    "focal": ({**WARM, "loss": "focal"}, "warm_up"),
    "asymmetric": ({**WARM, "loss": "asymmetric"}, "warm_up"),
    "layer_rates": ({**WARM, "first_layer_rate": 0.1}, "warm_up"),
    "sister": ({**WARM, **LITE, "system": "sister_a"}, "warm_up"),
    "drop_view": ({**WARM, **LITE, "system": "sister_a", "drop_view": 0.2}, "sister"),
    "random_background": ({**WARM, **LITE, "system": "sister_a", "random_background": 0.5}, "sister"),
    "head": (HEAD, "head"),
    "head_mean_pooling": ({**HEAD, "pooling": "mean"}, "head"),
    "head_augment": ({**HEAD, "augment": True}, "head"),
    "head_label_smoothing": ({**HEAD, "label_smoothing": 0.1}, "head"),
    "head_balanced": ({**HEAD, "class_weights": "balanced"}, "head"),
    "head_focal": ({**HEAD, "loss": "focal"}, "head"),
    "head_asymmetric": ({**HEAD, "loss": "asymmetric"}, "head"),
    "head_levels": ({**HEAD, "levels": "all"}, "head"),
    "frozen": (FROZEN, "head"),
    "frozen_mean_pooling": ({**FROZEN, "pooling": "mean"}, "frozen"),
    "frozen_levels": ({**FROZEN, "levels": "all"}, "frozen"),
    "frozen_levels_mean": ({**FROZEN, "levels": "all", "pooling": "mean"}, "frozen_levels"),
}
"""By name the settings of a row, which go before those of the command, and the row that it is compared with."""


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photos", default=240, show_default=True)
@click.option("--rows", default=",".join(ROWS), show_default=True)
@click.option("--size", default=96, show_default=True)
@click.option("--folds", default=3, show_default=True)
@click.option("--epochs", default=6, show_default=True)
def main(out: Path, photos: int, rows: str, **plan: int) -> None:
    names = rows.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise click.UsageError(f"--rows: no row {', '.join(unknown)}; there are {', '.join(ROWS)}.")
    folder = out / f"street-{photos}"
    write_street(folder, photos=photos, seed=1)
    dataset = load_dcsa(folder)
    print(
        f"{photos} photos, {plan}\n| row | MACC | compared with | difference | 95 % interval |\n|---|---|---|---|---|"
    )
    for name in dict.fromkeys(needed for row in names for needed in (*_before(row), row)):
        settings, reference = ROWS[name]
        segmenter = f"masks:{folder / 'masks'}"
        cross_validate(dataset, Experiment(**{**plan, **settings}, segmenter=segmenter), out / name, resume=True)
        print(_row(out, name, reference), flush=True)


def _before(name: str) -> tuple[str, ...]:
    """The rows that a row needs: the one that it is compared with, and what that is compared with."""
    reference = ROWS[name][1]
    return () if reference == name else (*_before(reference), reference)


def _row(out: Path, name: str, reference: str) -> str:
    groups = [Group((read_out_of_fold(out / row),)) for row in dict.fromkeys((reference, name))]
    macc = f"{100 * Run(out / name).read('summary.json')['macc']['pooled']:.2f}"
    if len(groups) == 1:
        return f"| {name} | {macc} | – | – | – |"
    (found,) = compare_with_first(groups)
    difference, low, high = (
        f"{100 * value:+.2f}" for value in (found.photos.estimate, found.photos.low, found.photos.high)
    )
    return f"| {name} | {macc} | {reference} | {difference} | {low} to {high} |"


if __name__ == "__main__":
    main()
