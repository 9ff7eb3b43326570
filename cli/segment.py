"""``sister-keras segment``: train, evaluate and apply person segmenters."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keras_sister.config import BACKGROUNDS, EDGES, MIN_PERSON_SHARE, RANGES
from keras_sister.errors import InputError, counted
from keras_sister.training.segmenters.settings import NETWORKS, SegmenterSettings

from .dataset import dataset_argument
from .experiment import SEGMENTER_HELP
from .photos import find
from .progress import RunProgress, count
from .quiet import import_tensorflow

if TYPE_CHECKING:
    from keras_sister.segmenter import Segmenter


@click.group(short_help="Train, evaluate and apply person segmenters.")
def segment() -> None:
    """Train, evaluate and apply person segmenters."""


_MASKS = click.option(
    "--masks",
    type=click.Path(path_type=Path),
    help="Folder of masks: by default masks/ in or beside DATASET; for VOC further masks, such as SBD's.",
)


@segment.command(short_help="Train an FCN-8s or a DeepLab V3+.")
@dataset_argument
@_MASKS
@click.option("--network", type=click.Choice(NETWORKS), default="fcn8s", show_default=True, help="Network to train.")
@click.option(
    "--width",
    type=click.FloatRange(min=0, min_open=True),
    default=0.125,
    show_default=True,
    help="FCN-8s: filters relative to the published network.",
)
@click.option(
    "--backbone",
    default="resnet50",
    show_default=True,
    metavar="NETWORK",
    help="DeepLab: encoder, one of the networks of 'cv --help'.",
)
@click.option(
    "--weights",
    default="none",
    show_default=True,
    metavar="imagenet|none|FILE",
    help="Initial weights of VGG16 (with --width 1) or of the backbone; for DeepLab also a KerasHub preset.",
)
@click.option("--staged", is_flag=True, help="Train FCN-32s, then FCN-16s and FCN-8s from it, each for --epochs.")
@click.option(
    "--size", type=click.IntRange(*RANGES["size"]), default=128, show_default=True, help="Height and width in pixels."
)
@click.option(
    "--epochs", type=click.IntRange(*RANGES["epochs"]), default=12, show_default=True, help="Epochs to train."
)
@click.option(
    "--batch-size", type=click.IntRange(*RANGES["batch_size"]), default=8, show_default=True, help="Photos per step."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=2e-3,
    show_default=True,
    help="Adam learning rate.",
)
@click.option("--seed", type=click.IntRange(*RANGES["seed"]), default=0, show_default=True, help="Random seed.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the segmenter to create.")
@click.option("--resume", is_flag=True, help="Continue an interrupted training in --out.")
def train(dataset: Path, masks: Path | None, out: Path, resume: bool, **settings: Any) -> None:
    """Train an FCN-8s or a DeepLab V3+ on the photos of DATASET and their masks.

    DATASET is a folder of PASCAL VOC 2012, of CFPD, or in DCSA's layout with a mask for each photo, or a dataset file
    beside such masks. VOC's validation photos, or else one photo in five, are held out for the scores. The defaults
    train a small network from scratch on a CPU; the published networks are --width 1 --weights imagenet and --network
    deeplab --weights imagenet.

    \b
    sister-keras segment train street --out fcn
    sister-keras segment train VOC2012 --masks SBD/cls --width 1 \\
        --weights imagenet --size 384 --learning-rate 1e-5 --staged \\
        --out fcn8s-voc
    sister-keras segment train CFPD --network deeplab --weights imagenet \\
        --size 384 --learning-rate 1e-4 --out deeplab-cfpd
    """
    chosen = SegmenterSettings(**settings)
    import_tensorflow()
    from keras_sister.training.segmenters.datasets import open_segmentation_dataset
    from keras_sister.training.segmenters.train import train_segmenter

    pixels = open_segmentation_dataset(dataset, masks=masks, seed=chosen.seed)
    with RunProgress() as progress:
        scores = train_segmenter(pixels, out, chosen, resume=resume, on_event=progress.show)
    _show(scores, out.name or str(out))
    click.echo(f"\nNext: --segmenter {out}")


def _show(scores: dict[str, Any], name: str) -> None:
    click.echo(f"On {scores['photos']} photos, {scores['classes']} classes, %".ljust(40) + f"{name}   all background")
    for score in ("pixel_accuracy", "mean_iou", "person_iou", "boundary_f"):
        ours, nothing = 100 * scores[score], 100 * scores["background"][score]
        click.echo(f"{score.replace('_', ' '):<40}{ours:>{len(name)}.2f}{nothing:>17.2f}")


@segment.command("import", short_help="Import the published FCN-8s of PASCAL VOC.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--size", type=click.IntRange(32, 1024), default=384, show_default=True, help="Height and width in pixels."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the segmenter to create.")
def import_(file: Path, size: int, out: Path) -> None:
    """Import FILE, the published FCN-8s of PASCAL VOC, as a segmenter: MatConvNet's pascal-fcn8s-dag.mat.

    Download it from https://www.vlfeat.org/matconvnet/models/pascal-fcn8s-dag.mat, about 500 MB.

    \b
    sister-keras segment import pascal-fcn8s-dag.mat --out fcn8s-voc
    """
    import_tensorflow()
    from keras_sister.segmentation.importers.matconvnet import import_fcn8s
    from keras_sister.segmentation.segmenters.network import save_segmenter, voc_segmenter

    if out.exists():
        raise InputError(f"{out}: already exists; choose another --out.")
    save_segmenter(out, voc_segmenter(import_fcn8s(file), size=size), None)
    click.echo(f"Next: --segmenter {out}")


_PHOTOS = click.argument("photos", metavar="PHOTO…", nargs=-1, required=True, type=click.Path(path_type=Path))
_FINDER = (
    click.option(
        "--segmenter",
        default="selfie",
        show_default=True,
        help=SEGMENTER_HELP,
    ),
    click.option("--weights", type=click.Path(path_type=Path), help="File of the segmenter's weights."),
    click.option("--keep-largest", is_flag=True, help="Keep only the largest connected component of the mask."),
    click.option(
        "--margin",
        type=click.IntRange(0, 100),
        default=0,
        show_default=True,
        help="Dilate the mask by this many pixels.",
    ),
)


_MIN_PERSON_SHARE = click.option(
    "--min-person-share",
    type=click.FloatRange(0, 1),
    default=MIN_PERSON_SHARE,
    show_default=True,
    help="A person on a smaller share of the pixels counts as nobody.",
)


def _finder_options(command: Callable) -> Callable:
    """Add the options that select a segmenter, for `_open`."""
    for option in reversed(_FINDER):
        command = option(command)
    return command


def _open(segmenter: str, weights: Path | None, keep_largest: bool, margin: int) -> "Segmenter":
    from keras_sister.segmentation.segmenters.open import open_segmenter

    spec = segmenter if weights is None else f"{segmenter}:{weights}"
    return open_segmenter(spec, keep_largest=keep_largest, margin=margin)


@segment.command()
@_PHOTOS
@_finder_options
@_MIN_PERSON_SHARE
@click.option("--background", type=click.Choice(BACKGROUNDS), default="white", show_default=True, help="Background.")
@click.option("--edges", type=click.Choice(EDGES), default="hard", show_default=True, help="Edges of the person.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for cutouts/ and masks/.")
@click.option("--resume", is_flag=True, help="Continue an interrupted job in --out; photos that changed are made anew.")
@click.pass_context
def apply(
    context: click.Context,
    photos: tuple[Path, ...],
    min_person_share: float,
    background: str,
    edges: str,
    out: Path,
    resume: bool,
    **finder: Any,
) -> None:
    """Remove the background of photos in files and folders.

    A photo without a person stays unchanged. All results are upright. A photo that cannot be read is skipped and
    reported; the exit code is then 1.

    \b
    sister-keras segment apply me.jpg holiday --out cut
    """
    import_tensorflow()
    from keras_sister.segmentation.cutouts import write_cutouts
    from keras_sister.segmentation.preprocessor import Preprocessor

    files = find(photos)
    with count("photos", len(files), how_to_resume="with --resume") as advance:
        preprocessor = Preprocessor(
            _open(**finder),
            size=None,
            views=("segmented",),
            background=background,
            edges=edges,
            min_person_share=min_person_share,
        )
        done = write_cutouts(preprocessor, files, out, resume=resume, on_photo=advance)
    for error in done.errors:
        click.echo(error, err=True)
    for photo in done.without_person:
        click.echo(f"{photo}: no person found, left unchanged", err=True)
    if done.without_person:
        click.echo(f"{counted(len(done.without_person), 'photo')} without a person", err=True)
    before = f"; {done.resumed} were there before" if done.resumed else ""
    click.echo(f"{counted(done.written, 'photo')} in {out / 'cutouts'}, their masks in {out / 'masks'}{before}")
    context.exit(int(bool(done.errors)))


_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@segment.command(short_help="Make a contact sheet of photos and masks.")
@_PHOTOS
@_finder_options
@_MIN_PERSON_SHARE
@click.option("--out", type=click.Path(path_type=Path), default="sheet.png", show_default=True, help="The picture.")
@click.pass_context
def preview(
    context: click.Context, photos: tuple[Path, ...], min_person_share: float, out: Path, **finder: Any
) -> None:
    """Make a contact sheet of PHOTOs, files or folders: photo, mask, person on white and on black.

    A photo that cannot be read has the reason in its place; the exit code is then 1.

    \b
    sister-keras segment preview me.jpg you.jpg --out sheet.png
    sister-keras segment preview street/images --segmenter masks:street/masks
    """
    if out.suffix.lower() not in _PICTURES:
        raise InputError(f"{out}: the picture is one of {', '.join(_PICTURES)}; choose another --out.")
    if out.exists() and any(photo.exists() and photo.samefile(out) for photo in photos):
        raise InputError(f"{out}: is one of the photos; choose another --out.")
    import_tensorflow()
    from keras_sister.segmentation.contact_sheet import contact_sheet
    from keras_sister.segmentation.preprocessor import Preprocessor
    from keras_sister.segmentation.segmented_photo import SegmentedPhoto, try_segment
    from keras_sister.storage.atomic import write_atomically

    files = find(photos)
    preprocessor = Preprocessor(_open(**finder), size=None, views=("segmented",), min_person_share=min_person_share)
    with count("photos", len(files)) as advance:
        tried = []
        for file in files:
            tried.append(try_segment(preprocessor, file))
            advance()
    write_atomically(out, contact_sheet(tried).save)
    found = [photo for photo in tried if isinstance(photo, SegmentedPhoto)]
    for photo in tried:
        if not isinstance(photo, SegmentedPhoto):
            click.echo(photo.error, err=True)
    click.echo(
        f"{out}: {counted(len(found), 'photo')}, no person found in {sum(not photo.person.any() for photo in found)}"
    )
    context.exit(int(len(found) < len(tried)))


@segment.command()
@dataset_argument
@_finder_options
@_MASKS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(dataset: Path, masks: Path | None, as_json: bool, **finder: Any) -> None:
    """Compare a segmenter with the ground-truth masks of DATASET.

    DATASET is a folder of PASCAL VOC 2012 (its validation photos), of CFPD (every fifth photo), or in DCSA's layout
    (all photos), or a dataset file beside a folder of masks (all photos). If the segmenter has the classes of the
    masks, mean IoU is over them, else over person and background. Void pixels are ignored.

    \b
    sister-keras segment evaluate street
    sister-keras segment evaluate VOC2012 --segmenter fcn8s-voc
    """
    import_tensorflow()
    from keras_sister.storage.json_files import to_json
    from keras_sister.training.segmenters.datasets import open_segmentation_dataset
    from keras_sister.training.segmenters.score import score_segmenter

    pixels = open_segmentation_dataset(dataset, masks=masks)
    opened = _open(**finder)
    with count("photos", len(pixels.held_out)) as advance:
        scores = score_segmenter(opened, pixels, on_photo=advance)
    if as_json:
        click.echo(to_json(scores))
    else:
        _show(scores, finder["segmenter"])
