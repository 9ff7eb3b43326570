"""Read a variable of a MATLAB file of a published dataset."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from keras_sister.errors import InputError


def load_mat(file: Path) -> dict[str, Any]:
    """Read a MATLAB file; cells become arrays, structs become objects, and one-element arrays their element.

    To be called in the reader process: SciPy's reader may crash for a damaged file.

    Raises:
        InputError: if the file is missing or damaged.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file.")
    try:
        return scipy.io.loadmat(file, struct_as_record=False, squeeze_me=True)
    except Exception as error:
        # scipy raises ValueError, TypeError, IndexError, zlib.error and others for a damaged file.
        raise InputError(f"{file}: not a readable MATLAB file (of version 7 or older).") from error


def texts(cells: Any) -> list[str]:
    """The texts of a cell array."""
    return [str(cell) for cell in np.atleast_1d(cells).ravel()]


def binary(values: Any, shape: tuple[int, int], place: str) -> np.ndarray:
    """A matrix of 0 and 1 as int8.

    Raises:
        InputError: for another shape or other values.
    """
    values = np.asarray(values)
    if values.shape != shape or not np.isin(values, (0, 1)).all():
        raise InputError(f"{place}: expected 0 and 1 in {shape[0]} rows of {shape[1]}. Received: shape {values.shape}")
    return values.astype(np.int8)
