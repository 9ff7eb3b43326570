"""``sister-keras segment``: train a segmenter."""

from pathlib import Path
from typing import Any

import click

from .progress import RunProgress
from .quiet import import_tensorflow


@click.group()
def segment() -> None:
    """Find the person in photos."""


@segment.command()
@click.argument("dataset", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--masks", type=click.Path(path_type=Path), help="Folder of the masks.  [default: DIR/masks]")
@click.option("--width", type=float, default=0.125, show_default=True, help="Share of the published network's filters.")
@click.option(
    "--weights",
    default="none",
    show_default=True,
    metavar="imagenet|none|FILE",
    help="What the VGG16 part starts from; with --width 1 only.",
)
@click.option("--size", type=int, default=128, show_default=True, help="Height and width in pixels.")
@click.option("--epochs", type=int, default=12, show_default=True, help="Epochs to train.")
@click.option("--batch", type=int, default=8, show_default=True, help="Photos a step.")
@click.option("--learning-rate", type=float, default=2e-3, show_default=True, help="Of Adam.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The segmenter's folder to make.")
@click.option("--resume", is_flag=True, help="Go on with the training in --out where it stopped.")
def train(dataset: Path, masks: Path | None, out: Path, resume: bool, **settings: Any) -> None:
    """Train an FCN-8s on the photos in DIR and their masks.

    One photo in five is held out and tells how good it is. The defaults make a network that learns from scratch on a
    CPU; the published one is --width 1 --weights imagenet.

    \b
    sister-keras segment train street --out fcn
    """
    import_tensorflow()
    from keras_sister.data import dcsa
    from keras_sister.training.segmenter import SegmenterSettings, train_segmenter

    photos = dcsa.load(dataset).photos
    with RunProgress() as progress:
        scores = train_segmenter(
            photos,
            masks or dataset / "masks",
            out,
            SegmenterSettings(**settings),
            resume=resume,
            on_event=progress.show,
        )
    click.echo(f"On {scores['photos']} photos held out, %     {out.name or out}   all background")
    for name in ("pixel_accuracy", "mean_iou", "person_iou"):
        click.echo(f"{name.replace('_', ' '):<30}{100 * scores[name]:>8.2f}{100 * scores['background'][name]:>15.2f}")
    click.echo(f"\nNext: --segmenter {out}")
