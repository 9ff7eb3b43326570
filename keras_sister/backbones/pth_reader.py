"""Reader of ``.pth`` files: the tensors of a PyTorch state dict as NumPy arrays, without PyTorch."""

import json
from pathlib import Path

import numpy as np

from keras_sister.storage.pth_file import NAMES, read_tensors
from keras_sister.storage.reader_process import read_apart


def read_pth(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a state dict, in the reader process, whose time and memory are limited.

    Args:
        path: a file that ``torch.save(model.state_dict(), path)`` wrote.

    Returns:
        The arrays by name, in the file's order, with the dtypes that they were saved in.

    Raises:
        InputError: if the file cannot be read, is truncated, is not a state dict, or names anything that a state dict
            does not need.

    Example:
        >>> read_pth(Path("efficientnet-lite0-57934424.pth"))["_conv_stem.weight"].shape
        (32, 3, 3, 3)
    """
    content = read_apart(read_tensors, path)
    names = json.loads(content[NAMES].tobytes())
    return {name: content[str(number)] for number, name in enumerate(names)}
