"""``sister-keras segment``: train segmenters, use them, and look at what they find."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keras_sister.config import BACKGROUNDS, EDGES

from .progress import RunProgress, count
from .quiet import import_tensorflow

if TYPE_CHECKING:
    from keras_sister.segmenter import Segmenter


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


_PHOTOS = click.argument("photos", metavar="PHOTO…", nargs=-1, required=True, type=click.Path(path_type=Path))
_FINDER = (
    click.option(
        "--segmenter",
        default="selfie",
        show_default=True,
        help="Who finds the person: selfie, a folder of 'segment train', masks:FOLDER, saved_model:PATH or hub:HANDLE.",
    ),
    click.option("--weights", type=click.Path(path_type=Path), help="File of the segmenter's weights."),
    click.option("--keep-largest", is_flag=True, help="Forget all but the largest connected part of a mask."),
    click.option(
        "--margin", type=click.IntRange(0, 100), default=0, show_default=True, help="Pixels by which masks grow."
    ),
)


def _finder_options(command: Callable) -> Callable:
    """Let a command choose who finds the person, for `_open`."""
    for option in reversed(_FINDER):
        command = option(command)
    return command


def _open(segmenter: str, weights: Path | None, keep_largest: bool, margin: int) -> "Segmenter":
    from keras_sister.segmentation import open_segmenter

    spec = segmenter if weights is None else f"{segmenter}:{weights}"
    return open_segmenter(spec, keep_largest=keep_largest, margin=margin)


@segment.command()
@_PHOTOS
@_finder_options
@click.option("--background", type=click.Choice(BACKGROUNDS), default="white", show_default=True, help="Behind them.")
@click.option("--edges", type=click.Choice(EDGES), default="hard", show_default=True, help="How edges are cut.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for cutouts/ and masks/.")
@click.pass_context
def apply(
    context: click.Context, photos: tuple[Path, ...], background: str, edges: str, out: Path, **finder: Any
) -> None:
    """Cut the person out of PHOTOs, files or folders of them.

    A photo in which nobody is found stays whole. One that cannot be read is passed over and reported; the exit code is
    then 1.

    \b
    sister-keras segment apply me.jpg holiday --out cut
    """
    import_tensorflow()
    from keras_sister.images import photos_in
    from keras_sister.segmentation.cutouts import write_cutouts

    files = photos_in(photos)
    with count("photos", len(files)) as advance:
        opened = _open(**finder)
        done = write_cutouts(opened, files, out, background=background, edges=edges, on_photo=advance)
    for error in done.errors:
        click.echo(error, err=True)
    for photo in done.without_person:
        click.echo(f"{photo}: nobody found, left whole", err=True)
    click.echo(f"{done.written} photos in {out / 'cutouts'}, their masks in {out / 'masks'}")
    context.exit(int(bool(done.errors)))


@segment.command()
@_PHOTOS
@_finder_options
@click.option("--out", type=click.Path(path_type=Path), default="sheet.png", show_default=True, help="The picture.")
def preview(photos: tuple[Path, ...], out: Path, **finder: Any) -> None:
    """Draw a contact sheet of PHOTOs, files or folders: photo, mask, and the person on white and on black.

    \b
    sister-keras segment preview me.jpg you.jpg --out sheet.png
    sister-keras segment preview street/images --segmenter masks:street/masks
    """
    import_tensorflow()
    from keras_sister.images import photos_in
    from keras_sister.segmentation.contact_sheet import contact_sheet
    from keras_sister.segmentation.photo import segment_photo

    files = photos_in(photos)
    opened = _open(**finder)
    with count("photos", len(files)) as advance:
        found = []
        for file in files:
            found.append(segment_photo(opened, file))
            advance()
    contact_sheet(found).save(out)
    click.echo(f"{out}: {len(found)} photos, nobody found in {sum(not photo.person.any() for photo in found)}")


@segment.command()
@click.argument("dataset", metavar="DIR", type=click.Path(path_type=Path))
@_finder_options
@click.option("--masks", type=click.Path(path_type=Path), help="Folder of the true masks.  [default: DIR/masks]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(dataset: Path, masks: Path | None, as_json: bool, **finder: Any) -> None:
    """Compare what a segmenter finds in the photos in DIR with their true masks.

    \b
    sister-keras segment evaluate street
    sister-keras segment evaluate street --segmenter fcn
    """
    import_tensorflow()
    from keras_sister.data import dcsa
    from keras_sister.segmentation.mask_scores import MaskScores
    from keras_sister.segmentation.masks import MaskFolder
    from keras_sister.segmentation.photo import segment_photo

    photos = dcsa.load(dataset).photos
    truth, opened = MaskFolder(masks or dataset / "masks"), _open(**finder)
    scores = MaskScores()
    with count("photos", len(photos)) as advance:
        for photo in photos:
            scores.add(segment_photo(truth, photo).person, segment_photo(opened, photo).person)
            advance()
    result = {"photos": len(photos), **scores.result()}
    if as_json:
        click.echo(json.dumps(result, indent=1))
        return
    click.echo(f"On {len(photos)} photos, %")
    for name in ("pixel_accuracy", "mean_iou", "person_iou", "boundary_f"):
        click.echo(f"{name.replace('_', ' '):<16}{100 * result[name]:>8.2f}")
