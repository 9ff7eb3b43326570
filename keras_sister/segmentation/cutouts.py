"""Write photos with the background removed."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from keras_sister.errors import InputError
from keras_sister.photo_files import PIXELS_VERSION, printable_path
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmented_photo import UnreadablePhoto, try_segment
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.disk_errors import disk_error
from keras_sister.storage.json_files import read_json, write_text
from keras_sister.storage.lock import locked

_SETTINGS = ".cutouts.json"


@dataclass
class Cutouts:
    """The result of `write_cutouts`.

    Attributes:
        written: number of photos written.
        resumed: number of photos that an interrupted job had written before.
        without_person: photos in which no person was found, or only a sliver; they are written unchanged.
        errors: one line for each photo that could not be read or segmented.
    """

    written: int = 0
    resumed: int = 0
    without_person: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def write_cutouts(
    preprocessor: Preprocessor,
    photos: Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> Cutouts:
    """Write ``cutouts/NAME.png``, the person without the background, and ``masks/NAME.png`` for every photo.

    The masks are in the form that ``masks:OUT/masks`` takes. A photo that cannot be read is skipped. Each file is
    written aside and renamed, the cutout last: a killed job leaves no half file, and can be resumed.

    Args:
        preprocessor: see `keras_sister.segmentation.segmented_photo.segment_photo`.
        photos: JPEG, PNG or WebP files; their names without suffix must differ.
        out: folder for both.
        resume: continue an interrupted job: photos that have a cutout, and have not changed since, are skipped.
        on_photo: called after each photo.

    Raises:
        InputError: if two photos have the same name; if `out` holds one of the files already and `resume` is not set,
            or was made with other settings; if another process works there; or if a file cannot be written.
    """
    _check_names(photos)
    with locked(out):
        _check_folder(preprocessor, photos, out, resume)
        done = Cutouts()
        for photo in photos:
            if resume and _is_written(photo, out):
                done.resumed += 1
            else:
                _write(preprocessor, photo, out, done)
            on_photo()
    return done


def _check_names(photos: Sequence[Path]) -> None:
    for name, photos_of_name in Counter(photo.stem for photo in photos).items():
        if photos_of_name > 1:
            raise InputError(f"{printable_path(name)}: the name of two photos; write them into two folders.")


def _check_folder(preprocessor: Preprocessor, photos: Sequence[Path], out: Path, resume: bool) -> None:
    """Check that the photos can be written, and note the settings, so that a folder never mixes two of them."""
    settings = {
        "segmenter": preprocessor.fingerprint,
        "background": preprocessor.background,
        "edges": preprocessor.edges,
        "images": PIXELS_VERSION,
    }
    existing = next((photo for photo in photos if _cutout(photo, out).exists()), None)
    if existing is not None and not resume:
        place = printable_path(str(_cutout(existing, out)))
        raise InputError(f"{place}: already exists; add --resume to continue, or choose another --out.")
    if resume and (out / _SETTINGS).exists() and read_json(out / _SETTINGS) != settings:
        raise InputError(f"{out}: was started with another segmenter, background or edges; choose another --out.")
    for folder in ("cutouts", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_text(out / _SETTINGS, json.dumps(settings))


def _cutout(photo: Path, out: Path) -> Path:
    return out / "cutouts" / f"{photo.stem}.png"


def _is_written(photo: Path, out: Path) -> bool:
    """Whether the photo has a cutout that is not older than itself."""
    try:
        return _cutout(photo, out).stat().st_mtime >= photo.stat().st_mtime
    except OSError:
        return False


def _write(preprocessor: Preprocessor, photo: Path, out: Path, done: Cutouts) -> None:
    segmented = try_segment(preprocessor, photo)
    if isinstance(segmented, UnreadablePhoto):
        done.errors.append(segmented.error)
        return
    try:
        for folder, pixels in (("masks", segmented.mask[..., 0]), ("cutouts", segmented.cutout)):
            write_atomically(out / folder / f"{photo.stem}.png", Image.fromarray(pixels).save)
    except OSError as error:
        raise InputError(f"{disk_error(error)} Photos that are written are kept; --resume continues.") from error
    done.written += 1
    if not segmented.person.any():
        done.without_person.append(photo)
