"""Photos with the person cut out, as files."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.segmentation.compositing import composite
from keras_sister.segmentation.photo import segment_photo
from keras_sister.segmenter import Segmenter


@dataclass
class Cutouts:
    """What became of the photos.

    Attributes:
        written: how many cutouts there are.
        without_person: the photos in which nobody was found, which stay whole.
        errors: a line for each photo that could not be read.
    """

    written: int = 0
    without_person: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def write_cutouts(
    segmenter: Segmenter,
    photos: Sequence[Path],
    out: Path,
    *,
    background: str = "white",
    edges: str = "hard",
    on_photo: Callable[[], None] = lambda: None,
) -> Cutouts:
    """Write ``cutouts/NAME.png``, the person before a plain background, and ``masks/NAME.png`` for every photo.

    The masks are what ``masks:OUT/masks`` takes. A photo that cannot be read is passed over.

    Args:
        segmenter: finds the person.
        photos: JPEG or PNG files; their names without endings must differ.
        out: folder for both.
        background, edges: see `keras_sister.segmentation.compositing.composite`.
        on_photo: called after each photo.

    Raises:
        InputError: if two photos would get one name, or `out` holds one of the files already.
    """
    for name, photos_of_name in Counter(photo.stem for photo in photos).items():
        if photos_of_name > 1:
            raise InputError(f"{name}: the name of two photos; cut them out into two folders.")
        if (out / "cutouts" / f"{name}.png").exists():
            raise InputError(f"{out / 'cutouts' / name}.png: there already; choose another --out.")
    for folder in ("cutouts", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    done = Cutouts()
    for photo in photos:
        try:
            found = segment_photo(segmenter, photo)
        except InputError as error:
            done.errors.append(str(error))
        else:
            Image.fromarray(found.mask[..., 0]).save(out / "masks" / f"{photo.stem}.png")
            cutout = composite(tf.constant(found.pixels[None]), tf.constant(found.mask[None]), background, edges)
            Image.fromarray(cutout.numpy()[0]).save(out / "cutouts" / f"{photo.stem}.png")
            done.written += 1
            if not found.person.any():
                done.without_person.append(photo)
        on_photo()
    return done
