"""Write synthetic photos as a dataset in DCSA's layout, or with a spreadsheet of labels."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from keras_sister.data.dcsa import write_labels
from keras_sister.errors import InputError, check_choice
from keras_sister.schema import DCSA
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_text
from keras_sister.storage.leftovers import remove_leftovers
from keras_sister.street.outfits import hide_labels
from keras_sister.street.photo import draw_photo
from keras_sister.street.table import to_table

_MARKER = "street.json"
_DRAWING = 1  # increase it with every change that changes the photos


LAYOUTS = ("dcsa", "table")
"""How the labels are written: as DCSA's label files, or as a spreadsheet, ``products.csv``."""


def write_street(
    out: str | Path,
    *,
    photos: int,
    seed: int,
    layout: str = "dcsa",
    on_photo: Callable[[], None] = lambda: None,
) -> None:
    """Write synthetic photos, their masks and labels into a folder, on all cores.

    Photo n depends only on the seed and n. Labels are unknown at the rates of DCSA. A second call after an
    interruption writes only the missing files.

    Args:
        out: folder to create: ``images/000001.jpg …``, ``masks/000001.png …``, ``labels/<attribute>_GT.mat``.
        photos: number of photos.
        seed: random seed.
        layout: one of `LAYOUTS`; the photos are the same. With ``table``, ``products.csv`` replaces ``labels/``.
        on_photo: called after each photo.

    Raises:
        InputError: if `out` contains anything else.
        OSError: if `out` cannot be written.

    Example:
        >>> write_street("street", photos=400, seed=0)
    """
    check_choice("layout", layout, LAYOUTS)
    out = Path(out)
    as_table = {"layout": layout} if layout == "table" else {}
    marker = json.dumps({"photos": photos, "seed": seed, "drawing": _DRAWING, **as_table}) + "\n"
    _claim(out, marker)
    # Spawned, not forked: the calling process may have threads, for example TensorFlow's.
    workers = min(photos, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        labels = []
        for row in pool.map(partial(_write_photo, out, seed), range(photos), chunksize=4):
            labels.append(row)
            on_photo()
    known = np.stack(labels)
    hidden = hide_labels(known, np.random.default_rng([seed, photos]))
    if layout == "table":
        write_text(out / "products.csv", to_table(known, hidden, seed=seed))
    else:
        write_labels(out, DCSA, hidden)


def _claim(out: Path, marker: str) -> None:
    """Mark the folder before anything else is in it, so that a call that was killed at any moment can be repeated."""
    file = out / _MARKER
    if not (file.is_file() and file.read_text(encoding="utf-8") == marker):
        if out.exists() and not out.is_dir():
            raise InputError(f"{out}: already exists and is not a folder; choose another folder.")
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        if any(out.iterdir()):
            raise InputError(f"{out}: already exists with other contents; choose another folder or remove it.")
        write_text(file, marker)
    for folder in ("images", "masks"):
        (out / folder).mkdir(exist_ok=True)


def _write_photo(out: Path, seed: int, index: int) -> np.ndarray:
    """Write a photo and its mask unless they exist; returns its labels, int8 array, shape (26,)."""
    street = draw_photo(seed, index)
    quality = int(np.random.default_rng([seed, index, 1]).integers(72, 96))
    name = f"{index + 1:06d}"
    for file, picture, options in (
        (out / "images" / f"{name}.jpg", street.photo, {"quality": quality}),
        (out / "masks" / f"{name}.png", street.mask, {"optimize": True}),
    ):
        if not file.exists():
            write_atomically(file, partial(Image.fromarray(picture).save, **options))
    return street.labels
