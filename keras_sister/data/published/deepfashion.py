"""DeepFashion, Category and Attribute Prediction (Liu et al., "DeepFashion", CVPR 2016).

    Anno_coarse/ or Anno/     list_attr_cloth.txt, list_attr_img.txt, list_category_cloth.txt, list_category_img.txt
    Eval/                     list_eval_partition.txt
    img/…

Each list begins with the number of lines and a line of column names. A value is 1, −1 or 0: yes, no, unknown.
"""

from pathlib import Path

import numpy as np

from keras_sister.data.published.dataset import PublishedDataset, signs_to_labels
from keras_sister.errors import InputError, quoted
from keras_sister.storage.text_files import read_text

_MAX_BYTES = 4_000_000_000  # of a list; the longest has 1,000 numbers for each of 289,222 photos


def read_deepfashion(folder: Path) -> PublishedDataset:
    """Read DeepFashion's categories and attributes.

    Raises:
        InputError: if a list is missing or has another structure, naming file and line.
    """
    lists = next((folder / name for name in ("Anno_coarse", "Anno") if (folder / name).is_dir()), folder / "Anno")
    # A name may contain blanks; the type after it does not.
    attributes = [line.rsplit(None, 1)[0] for line in _lines(lists / "list_attr_cloth.txt")]
    categories = [line.rsplit(None, 1)[0] for line in _lines(lists / "list_category_cloth.txt")]
    photos, signs = _values(lists / "list_attr_img.txt", len(attributes), (-1, 0, 1))
    category = dict(zip(*_values(lists / "list_category_img.txt", 1, range(1, len(categories) + 1)), strict=True))
    file = folder / "Eval" / "list_eval_partition.txt"
    split = _parts(file)
    for known, where in ((category, "list_category_img.txt"), (split, "list_eval_partition.txt")):
        if missing := next((photo for photo in photos if photo not in known), None):
            raise InputError(f"{folder}: {missing} is not in {where}.")
    classes = {"category": (categories, np.array([category[photo][0] - 1 for photo in photos]))}
    parts = [split[photo] for photo in photos]
    return PublishedDataset("DeepFashion", folder, photos, parts, attributes, signs_to_labels(signs), classes)


def _parts(file: Path) -> dict[str, str]:
    """The part of each photo."""
    parts = {}
    for i, line in enumerate(_lines(file)):
        photo, *part = line.split()
        if part not in (["train"], ["val"], ["test"]):
            raise InputError(
                f"{file}, line {i + 3}: expected a photo and train, val or test. Received: {quoted(' '.join(part))}"
            )
        parts[photo] = part[0]
    return parts


def _lines(file: Path) -> list[str]:
    """The lines below the two heading lines, as many as the first one says."""
    try:
        count, _, *lines = read_text(file, max_bytes=_MAX_BYTES).splitlines()
    except ValueError as error:
        raise InputError(f"{file}: missing, or not a list of DeepFashion.") from error
    lines = [line.strip() for line in lines if line.strip()]
    if not lines:
        raise InputError(f"{file}: an empty list.")
    if not count.strip().isdigit() or int(count) != len(lines):
        raise InputError(f"{file}: {len(lines)} lines, but its first line says '{count[:80]}'.")
    return lines


def _values(file: Path, width: int, allowed: range | tuple[int, ...]) -> tuple[list[str], np.ndarray]:
    """The photo of each line, and its numbers: int16 (lines, width)."""
    lines = _lines(file)
    photos = []
    values = np.zeros((len(lines), width), np.int16)
    for i, line in enumerate(lines):
        photo, *numbers = line.split()
        photos.append(photo)
        try:
            values[i] = np.array(numbers, np.int16)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{file}, line {i + 3}: expected a photo and {width} numbers.") from error
        if len(numbers) != width or not set(values[i].tolist()) <= set(allowed):
            raise InputError(
                f"{file}, line {i + 3}: expected a photo and {width} numbers from {allowed[0]} to {allowed[-1]}."
            )
    return photos, values
