"""What is read of a MatConvNet file (DagNN), without Keras: it runs in the reader process.

``params`` is an array of structs with a ``name`` and a ``value``. ``meta.normalization.averageImage`` is the mean that
is subtracted from the pixels, in RGB. ``layers`` has the padding of each convolution.
"""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from keras_sister.errors import InputError, reason_of


def read_network(file: Path) -> dict[str, np.ndarray]:
    """Read a network; for `keras_sister.storage.reader_process.read_apart`.

    Returns:
        ``mean``: float64 (3,), RGB; ``border``: padding of the first convolution in pixels, −1 if the file does not
        say; ``parameter NAME``: float32 arrays.

    Raises:
        InputError: if the file cannot be read or is no network of MatConvNet.
    """
    try:
        content = scipy.io.loadmat(
            file, appendmat=False, variable_names=["params", "meta", "layers"], struct_as_record=False
        )
        parameters = {
            f"parameter {_text(entry.name)}": np.asarray(entry.value, np.float32) for entry in content["params"].ravel()
        }
        image = np.asarray(content["meta"].ravel()[0].normalization.ravel()[0].averageImage, np.float64)
        mean = image.reshape(-1, 3).mean(axis=0) if image.ndim < 3 else image.mean(axis=(0, 1))
        border = np.asarray(_border(content))
    except NotImplementedError as error:  # SciPy, for version 7.3
        raise InputError(f"{file}: MATLAB 7.3 format; MatConvNet publishes version 7. Download it again.") from error
    except Exception as error:
        # SciPy raises ValueError, TypeError, zlib.error and others for a damaged file.
        raise InputError(f"{file}: not a MatConvNet network (DagNN): {reason_of(error)}") from error
    return {"mean": mean, "border": border, **parameters}


def _border(content: dict[str, Any]) -> int:
    for layer in np.ravel(content.get("layers", ())):
        if _text(layer.name) == "conv1_1":
            return int(np.max(layer.block.ravel()[0].pad))
    return -1


def _text(name: Any) -> str:
    return str(np.asarray(name).ravel()[0])
