"""The Clothing Attributes Dataset on disk (Chen, Gallagher and Girod, ECCV 2012), read and written.

    images/000001.jpg … images/001856.jpg
    labels/<attribute>_GT.mat     a vector GT: 1 = first class, 2 = second, …, NaN = unknown

The photo with the number n has the n-th label of every vector.
"""

import io
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io

from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.photo_files import is_photo_name
from keras_sister.schema import DCSA, UNKNOWN, Attribute, Schema
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.reader_process import read_apart

# scipy writes the time into the header; equal labels should make equal files.
_HEADER = b"MATLAB 5.0 MAT-file, written by keras-sister".ljust(116)


def load_dcsa(folder: str | Path) -> Dataset:
    """Read a dataset in DCSA's layout. The photos are not opened.

    Args:
        folder: contains ``images/`` and ``labels/``; any number of photos, JPEG, PNG or WebP, named by their numbers
            from 1.

    Returns:
        Photos in the order of their numbers, with labels of the schema `DCSA`.

    Raises:
        InputError: for the first problem, naming the file: a missing folder, photo or label file, a label vector of
            another length, an invalid value.

    Example:
        >>> dataset = load_dcsa("DCSA")
        >>> len(dataset), dataset.labels.shape
        (1856, (1856, 26))
    """
    folder = Path(folder)
    photos, problems = find_photos(folder)
    labels, more = read_labels(folder, DCSA, photos)
    if problems or more:
        rest = len(problems) + len(more) - 1
        also = f" ({rest} more; 'sister-keras data check' lists them.)" if rest else ""
        raise InputError(f"{[*problems, *more][0]}{also}")
    return Dataset(DCSA, tuple(photos), labels)


def find_photos(folder: Path) -> tuple[list[Path], list[str]]:
    """Find the photos of a dataset, in the order of their numbers.

    Returns:
        The paths, and one line per problem. Without problems the numbers run from 1 without gaps.
    """
    images = folder / "images"
    if not images.is_dir():
        return [], [f"{images}: no such folder; a dataset has images/000001.jpg … and labels/<attribute>_GT.mat."]
    files = sorted(file for file in images.iterdir() if is_photo_name(file))
    if not files:
        return [], [f"{images}: no JPEG, PNG or WebP."]
    photos: dict[int, Path] = {}
    problems = []
    for file in files:
        number = int(file.stem) if file.stem.isascii() and file.stem.isdigit() else 0
        if number < 1:
            problems.append(
                f"{file}: the name must be a number, such as 000001.jpg; without it the labels cannot be found."
            )
        elif number in photos:
            problems.append(f"{file}: has the same number as {photos[number].name}.")
        else:
            photos[number] = file
    numbers = sorted(photos)
    missing = numbers[-1] - len(numbers) if numbers else 0
    if missing:
        first = next(number for number, present in enumerate(numbers, start=1) if number != present)
        more = f" (and {missing - 1} more)" if missing > 1 else ""
        problems.append(f"{images / f'{first:06d}.jpg'}: missing{more}; numbers run from 1 without gaps.")
    return [photos[number] for number in numbers], problems


def read_labels(folder: Path, schema: Schema, photos: list[Path]) -> tuple[np.ndarray, list[str]]:
    """Read the labels of a dataset.

    Args:
        folder: the dataset's folder.
        schema: attributes and classes.
        photos: what `find_photos` found.

    Returns:
        int32 array, shape (len(photos), attributes), −1 = unknown, and one line per problem. The column of an attribute
        with a problem is unknown.
    """
    labels = np.full((len(photos), len(schema)), UNKNOWN, np.int32)
    if not photos:
        return labels, []
    rows = [int(photo.stem) - 1 for photo in photos]
    folder = folder / "labels"
    if not folder.is_dir():
        return labels, [f"{folder}: no such folder; expected <attribute>_GT.mat for {len(schema)} attributes."]
    missing = [f"{name}_GT.mat" for name in schema.names if not (folder / f"{name}_GT.mat").is_file()]
    problems = [f"{folder / name}: missing; every attribute needs a label file." for name in missing]
    for column, attribute in enumerate(schema):
        file = folder / f"{attribute.name}_GT.mat"
        if file.name not in missing:
            try:
                labels[:, column] = _read_vector(file, attribute, photos=rows[-1] + 1)[rows]
            except InputError as error:
                problems.append(str(error))
    return labels, problems


def _read_vector(file: Path, attribute: Attribute, photos: int) -> np.ndarray:
    """One attribute's labels, int32 (photos,)."""
    values = read_apart(read_ground_truth, file)["GT"]
    if values.dtype.kind not in "biuf" or values.size != max(values.shape, default=0):
        raise InputError(f"{file}: GT is not a vector of numbers; its shape is {values.shape}.")
    values = values.ravel().astype(np.float64)
    if len(values) != photos:
        raise InputError(f"{file}: {len(values)} labels for {photos} photos.")
    known = ~np.isnan(values)
    wrong = known & ~np.isin(values, np.arange(1, len(attribute.classes) + 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{file}: photo {row + 1} has the label {values[row]:g}; expected 1 to {len(attribute.classes)}, or NaN."
        )
    return np.where(known, np.nan_to_num(values) - 1, UNKNOWN).astype(np.int32)


def read_ground_truth(file: Path) -> dict[str, np.ndarray]:
    """Read the variable GT of a MATLAB file, as it is; for `keras_sister.storage.reader_process.read_apart`."""
    try:
        content = scipy.io.loadmat(file, variable_names=["GT"], appendmat=False)
    except NotImplementedError as error:
        raise InputError(f"{file}: MATLAB 7.3 format; save it again in MATLAB with save(…, '-v7').") from error
    except Exception as error:
        # scipy raises ValueError, TypeError, IndexError, zlib.error and others for a damaged file.
        raise InputError(f"{file}: not a readable MATLAB file.") from error
    if "GT" not in content:
        raise InputError(f"{file}: no variable GT.")
    values = np.asarray(content["GT"])
    if values.dtype.hasobject:
        raise InputError(f"{file}: GT is not a vector of numbers but a cell or a structure.")
    return {"GT": values}


def write_labels(folder: Path, schema: Schema, labels: np.ndarray) -> None:
    """Write ``labels/<attribute>_GT.mat``, each file atomically.

    Args:
        folder: the dataset's folder.
        schema: attributes and classes.
        labels: array of numbers, shape (photos, attributes), see `Schema.check_labels`.
    """
    labels = schema.check_labels(labels)
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    for attribute, column in zip(schema, labels.T, strict=True):
        file = folder / "labels" / f"{attribute.name}_GT.mat"
        contents = io.BytesIO()
        scipy.io.savemat(contents, {"GT": np.where(column == UNKNOWN, np.nan, column + 1.0)[:, None]})
        whole = _HEADER + contents.getvalue()[len(_HEADER) :]
        write_atomically(file, partial(Path.write_bytes, data=whole))
