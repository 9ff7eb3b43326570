"""Write photos with the background removed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from keras_sister.errors import InputError
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmented_photo import UnreadablePhoto, try_segment


@dataclass
class Cutouts:
    """The result of `write_cutouts`.

    Attributes:
        written: number of photos written.
        without_person: photos in which no person was found, or only a sliver; they are written unchanged.
        errors: one line for each photo that could not be read.
    """

    written: int = 0
    without_person: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def write_cutouts(
    preprocessor: Preprocessor,
    photos: Sequence[Path],
    out: Path,
    *,
    on_photo: Callable[[], None] = lambda: None,
) -> Cutouts:
    """Write ``cutouts/NAME.png``, the person without the background, and ``masks/NAME.png`` for every photo.

    The masks are in the form that ``masks:OUT/masks`` takes. A photo that cannot be read is skipped.

    Args:
        preprocessor: see `keras_sister.segmentation.segmented_photo.segment_photo`.
        photos: JPEG, PNG or WebP files; their names without suffix must differ.
        out: folder for both.
        on_photo: called after each photo.

    Raises:
        InputError: if two photos have the same name, or `out` holds one of the files already.
    """
    for name, photos_of_name in Counter(photo.stem for photo in photos).items():
        if photos_of_name > 1:
            raise InputError(f"{name}: the name of two photos; write them into two folders.")
        if (out / "cutouts" / f"{name}.png").exists():
            raise InputError(f"{out / 'cutouts' / name}.png: already exists; choose another --out.")
    for folder in ("cutouts", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    done = Cutouts()
    for photo in photos:
        segmented = try_segment(preprocessor, photo)
        if isinstance(segmented, UnreadablePhoto):
            done.errors.append(segmented.error)
        else:
            Image.fromarray(segmented.mask[..., 0]).save(out / "masks" / f"{photo.stem}.png")
            Image.fromarray(segmented.cutout).save(out / "cutouts" / f"{photo.stem}.png")
            done.written += 1
            if not segmented.person.any():
                done.without_person.append(photo)
        on_photo()
    return done
