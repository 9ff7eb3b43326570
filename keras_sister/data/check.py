"""Check a dataset before training: its contents, and all of its problems at once."""

import hashlib
import io
import statistics
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageCms

from keras_sister.data.dataset import Dataset
from keras_sister.data.finding import Finding
from keras_sister.data.inspection import Inspection
from keras_sister.data.label_patterns import label_patterns
from keras_sister.data.label_warnings import label_warnings
from keras_sister.data.near_duplicates import find_near_duplicates
from keras_sister.data.open import inspect_dataset
from keras_sister.data.view_pairs import PairMaker
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import counted
from keras_sister.images import decode_as_stored
from keras_sister.mask_files import find_mask_files, two_of_one_photo
from keras_sister.photo_files import LeftOut, is_photo_name, try_read
from keras_sister.photo_kinds import why_not_decoded
from keras_sister.schema import Schema
from keras_sister.storage.regular_files import check_regular

_SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations that exchange width and height."""


@dataclass(frozen=True)
class DatasetReport:
    """The result of `check_dataset`.

    Attributes:
        folder: path of the dataset, a folder or a file.
        photos: number of photos.
        widths: smallest, median and largest width in pixels, upright; zeros if no photo can be read.
        heights: the same for heights.
        modes: number of photos by colour mode: RGB, L (grey), CMYK and others; ``unknown`` where Pillow cannot tell.
        rotated: number of photos with an EXIF orientation other than upright, which is applied.
        profiles: number of photos by the name of their ICC profile, where that is not sRGB: it is ignored.
        left_out: number of files in ``images/`` by ending that are not read.
        attributes: for each attribute ``counts``, the number of photos of each class, and ``unknown``, the share of
            unknown labels, in [0, 1].
        masks: number of person masks in ``masks/``.
        duplicates: groups of photos with the same content.
        findings: all problems and warnings, with the photos that they are about.
        notes: what was decided when the dataset was read, one line each.
    """

    folder: str
    photos: int
    widths: tuple[int, int, int]
    heights: tuple[int, int, int]
    modes: dict[str, int]
    rotated: int
    profiles: dict[str, int]
    left_out: dict[str, int]
    attributes: dict[str, dict[str, Any]]
    masks: int
    duplicates: list[list[str]]
    findings: list[Finding]
    notes: list[str]

    @property
    def problems(self) -> list[str]:
        """What makes training impossible or wrong, one line each, naming the file."""
        return [finding.text for finding in self.findings if finding.is_problem]

    @property
    def warnings(self) -> list[str]:
        """What may matter, one line each."""
        return [finding.text for finding in self.findings if not finding.is_problem]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, for JSON: also ``problems`` and ``warnings``, the texts of the findings."""
        findings = [{**asdict(finding), "photos": list(map(str, finding.photos))} for finding in self.findings]
        return {**asdict(self), "problems": self.problems, "warnings": self.warnings, "findings": findings}


@dataclass(frozen=True)
class _Photo:
    path: Path
    digest: str
    size: tuple[int, int] | None = None
    mode: str = ""
    profile: str | None = None
    rotated: bool = False
    problem: str | None = None


def check_dataset(
    path: str | Path,
    *,
    inspection: Inspection | None = None,
    near_duplicates: bool = False,
    preprocessor: PairMaker | None = None,
    on_photo: Callable[[], None] = lambda: None,
) -> DatasetReport:
    """Check a dataset. Every photo is decoded.

    Args:
        path: a folder in DCSA's layout, or a dataset file; person masks are in ``masks/``, in the folder or beside the
            file.
        inspection: what `keras_sister.data.open.inspect_dataset` returned, if it was called before.
        near_duplicates: look for photos that look alike although their files differ (needs ImageHash).
        preprocessor: look for photos in which its segmenter finds nobody. Views and masks go into the view store, where
            a cross-validation with the same segmenter and size finds them.
        on_photo: called after each photo; with a preprocessor a second time when it is segmented.

    Returns:
        A report. Its ``problems`` are empty if the dataset can be trained on.

    Raises:
        InputError: if the dataset file or its table cannot be read; if a photo cannot be segmented.

    Example:
        >>> check_dataset("DCSA").problems
        []
    """
    path = Path(path)
    inspection = inspection or inspect_dataset(path)
    dataset = inspection.dataset
    _decode.get_concrete_function()  # traced once, not by every thread
    # Warning filters are shared by all threads. TensorFlow releases the interpreter lock while it decodes.
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # of damaged EXIF data, and of sizes that are checked here
        photos = []
        for photo in pool.map(_inspect, dataset.photos):
            photos.append(photo)
            on_photo()
        masks, unreadable, odd = _inspect_masks((path if path.is_dir() else path.parent) / "masks", photos)
    readable = [photo for photo in photos if photo.size]
    rows = _duplicates(photos)
    patterns, notes = label_patterns(dataset)
    left_out = _left_out(path / "images") if path.is_dir() else LeftOut()
    return DatasetReport(
        folder=str(path),
        photos=len(photos),
        widths=_spread([photo.size[0] for photo in readable if photo.size]),
        heights=_spread([photo.size[1] for photo in readable if photo.size]),
        modes=dict(Counter(photo.mode for photo in readable).most_common()),
        rotated=sum(photo.rotated for photo in photos),
        profiles=dict(Counter(photo.profile for photo in photos if photo.profile).most_common()),
        left_out=dict(left_out.most_common()),
        attributes=_count(dataset.schema, dataset.labels),
        masks=masks,
        duplicates=[[photos[row].path.name for row in group] for group in rows],
        findings=[
            *inspection.findings,
            *_nothing_to_learn(path, dataset),
            *_too_few_units(path, dataset),
            *(Finding("unreadable", photo.problem, (photo.path,), True) for photo in photos if photo.problem),
            *(Finding("masks", text, is_problem=True) for text in unreadable),
            *(_warnings(photos, dataset, rows, left_out) if photos else []),
            *label_warnings(dataset, rows),
            *(_alike(photos, dataset) if near_duplicates else []),
            *patterns,
            *(_nobody([photo.path for photo in readable], preprocessor, on_photo) if preprocessor and readable else []),
            *(Finding("masks", text) for text in odd if photos),
        ],
        notes=[*dataset.notes, *notes],
    )


def _inspect(path: Path) -> _Photo:
    """Read and decode a photo as training does; Pillow only says more about it."""
    contents, reason = try_read(path)
    digest = hashlib.sha256(contents).hexdigest() if contents else str(path)
    if reason:
        return _Photo(path, digest, problem=f"{path}: {reason}.")
    try:
        shape, orientation = _decode(contents)
    except tf.errors.ResourceExhaustedError:  # not the photo's fault
        raise
    except tf.errors.OpError:
        return _Photo(path, digest, problem=f"{path}: {why_not_decoded(contents)}.")
    height, width = shape.numpy()[:2].tolist()
    size = (height, width) if orientation in _SIDEWAYS else (width, height)
    return _Photo(path, digest, size, *_mode_and_profile(contents), rotated=bool(orientation != 1))


def _inspect_mask(path: Path) -> _Photo:
    """Read a mask as `keras_sister.segmentation.segmenters.mask_folder.MaskFolder` does."""
    if path.suffix.lower() == ".npy":
        try:
            check_regular(path)
            height, width = np.load(path, allow_pickle=False).shape[:2]
            return _Photo(path, "", (width, height))
        except Exception:  # NumPy raises ValueError, OSError and others for broken files
            return _Photo(path, "", problem=f"{path}: not a readable NumPy array (height, width).")
    contents, reason = try_read(path)
    try:
        with Image.open(io.BytesIO(contents), formats=["PNG"]) as image:
            image.load()
            return _Photo(path, "", image.size)
    except Exception:  # Pillow raises OSError, SyntaxError, struct.error and others for broken files
        return _Photo(path, "", problem=f"{path}: {reason or why_not_decoded(contents)}.")


@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def _decode(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Shape and orientation of a photo as it is stored."""
    image, orientation = decode_as_stored(contents)
    return tf.shape(image), orientation


def _mode_and_profile(contents: bytes) -> tuple[str, str | None]:
    """The colour mode, and the name of an ICC profile other than sRGB."""
    try:
        with Image.open(io.BytesIO(contents)) as image:
            mode, profile = image.mode, image.info.get("icc_profile")
    except Exception:  # Pillow raises OSError, SyntaxError, struct.error and others for broken files
        return "unknown", None
    if not profile:
        return mode, None
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return mode, "unreadable"
    return mode, None if "srgb" in name.lower() else name or "without a name"


def _left_out(folder: Path) -> LeftOut:
    left_out = LeftOut()
    for file in folder.iterdir() if folder.is_dir() else ():
        if not file.name.startswith(".") and not is_photo_name(file) and not file.is_dir():
            left_out.add(file)
    return left_out


def _inspect_masks(folder: Path, photos: list[_Photo]) -> tuple[int, list[str], list[str]]:
    """Number of masks, unreadable masks, and masks that are missing or differ in size from their photo."""
    if not folder.is_dir():
        return 0, [], []
    found = find_mask_files(folder)
    files = {file.stem: file for file in found}
    masks = {photo: _inspect_mask(files[photo.path.stem]) for photo in photos if photo.path.stem in files}
    unreadable = [mask.problem for mask in masks.values() if mask.problem]
    odd = []
    twice = two_of_one_photo(found)
    if twice:
        names = " and ".join(file.name for file in next(iter(twice.values())))
        odd.append(f"{folder}: {names} are masks of one photo ({len(twice)} in all); masks:FOLDER refuses them.")
    missing = [photo.path.stem for photo in photos if photo not in masks]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        odd.append(
            f"{folder / f'{missing[0]}.png'}: missing{more}; --segmenter masks:FOLDER needs one for every photo."
        )
    other = [mask.path.name for photo, mask in masks.items() if mask.size and photo.size and mask.size != photo.size]
    if other:
        odd.append(
            f"{folder / other[0]} ({len(other)} in all): differs in size from its photo; it is resized, or refused if"
            " its aspect ratio differs."
        )
    return len(files), unreadable, odd


def _duplicates(photos: list[_Photo]) -> list[list[int]]:
    """Rows of photos with the same content."""
    groups: dict[str, list[int]] = {}
    for row, photo in enumerate(photos):
        groups.setdefault(photo.digest, []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def _nobody(photos: list[Path], preprocessor: PairMaker, on_photo: Callable[[], None]) -> list[Finding]:
    """Photos in which the segmenter finds nobody: the person tower would get the whole photo."""
    if preprocessor.size is None:
        raise ValueError("Expected a preprocessor with a size. Received: size=None")
    store = ViewStore(preprocessor.size, preprocessor.fingerprint)
    shown = 0

    def show(event: dict[str, Any]) -> None:
        nonlocal shown
        for _ in range(event.get("photos", shown) - shown):
            on_photo()
        shown = event.get("photos", shown)

    rows = store.open(store.fill(photos, preprocessor, on_event=show), photos).without_person()
    if not rows:
        return []
    names = ", ".join(photos[row].name for row in rows[:10]) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
    text = f"nobody is found in {len(rows)} of {counted(len(photos), 'photo')}: {names}."
    return [Finding("nobody", text, tuple(photos[row] for row in rows))]


def _alike(photos: list[_Photo], dataset: Dataset) -> list[Finding]:
    """Photos that look alike, have other bytes, and may be split between training and test."""
    readable = [row for row, photo in enumerate(photos) if photo.size]
    found = []
    for group in find_near_duplicates([photos[row].path for row in readable]):
        rows = [readable[i] for i in group]
        apart = dataset.groups is None or len(set(dataset.groups[rows])) > 1
        if apart and len({photos[row].digest for row in rows}) > 1:
            names = ", ".join(photos[row].path.name for row in rows)
            text = f"{names}: look alike; in one group they are never split."
            found.append(Finding("alike", text, tuple(photos[row].path for row in rows)))
    return found


def _nothing_to_learn(path: Path, dataset: Dataset) -> list[Finding]:
    known = (dataset.labels >= 0).any(axis=1)
    if len(dataset) and not known.any():
        text = f"{path}: no label of any photo is known; there is nothing to train on."
    elif dataset.weights is not None and dataset.weights.any() and not dataset.weights[known].any():
        text = f"{path}: all photos with a known label have the weight 0; there is nothing to train on."
    else:
        return []
    return [Finding("dataset", text, is_problem=True)]


def _too_few_units(path: Path, dataset: Dataset) -> list[Finding]:
    """A single photo or group cannot be split into training and validation."""
    if len(dataset) == 1:
        text = f"{path}: there is one photo only; training needs photos to learn from and others to validate with."
    elif len(dataset) and dataset.groups is not None and len(set(dataset.groups)) == 1:
        text = f"{path}: all photos are in the group '{dataset.groups[0]}'; training and test need groups of their own."
    else:
        return []
    return [Finding("dataset", text, is_problem=True)]


def _count(schema: Schema, labels: np.ndarray) -> dict[str, dict[str, Any]]:
    return {
        attribute.name: {
            "counts": {name: int((column == i).sum()) for i, name in enumerate(attribute.classes)},
            "unknown": float((column < 0).mean()) if len(column) else 0.0,
        }
        for attribute, column in zip(schema, labels.T, strict=True)
    }


def _warnings(photos: list[_Photo], dataset: Dataset, duplicates: list[list[int]], left_out: LeftOut) -> list[Finding]:
    found = [_same_file([photos[row].path for row in rows], dataset, rows) for rows in duplicates]
    other = [photo for photo in photos if photo.profile]
    if other:
        text = (
            f"{other[0].path.name} ({len(other)} in all): has the ICC profile '{other[0].profile}', which is ignored;"
            " convert it to sRGB."
        )
        found.append(Finding("profile", text, tuple(photo.path for photo in other)))
    if left_out:
        found.append(Finding("left_out", f"images/: {left_out}."))
    blank = np.flatnonzero((dataset.labels < 0).all(axis=1))
    if 0 < len(blank) < len(photos):
        text = f"{counted(len(blank), 'photo')} without any known label."
        found.append(Finding("no_label", text, tuple(photos[row].path for row in blank)))
    for attribute, column in zip(dataset.schema, dataset.labels.T, strict=True):
        absent = [name for i, name in enumerate(attribute.classes) if not (column == i).any()]
        if absent:
            more = f" and {len(absent) - 20} more" if len(absent) > 20 else ""
            found.append(Finding("rare", f"{attribute.name}: no photo is labelled {', '.join(absent[:20])}{more}."))
    return found


def _same_file(paths: list[Path], dataset: Dataset, rows: list[int]) -> Finding:
    together = dataset.groups is not None and len(set(dataset.groups[rows])) == 1
    what = "in one group, they are never split" if together else "they may be split between training and test"
    return Finding("same_file", f"{', '.join(path.name for path in paths)}: identical files; {what}.", tuple(paths))


def _spread(values: list[int]) -> tuple[int, int, int]:
    return (min(values), int(statistics.median(values)), max(values)) if values else (0, 0, 0)
