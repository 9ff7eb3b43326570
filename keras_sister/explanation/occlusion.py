"""Occlusion: hide a patch of a view, and see by how much the score drops. It needs no gradients."""

from typing import Any

import keras
import numpy as np

CELLS = 8
"""Rows and columns of the grid on which the patch slides, cell by cell."""

_PATCH = 2  # height and width of the patch, in cells


def occlusion_drops(model: keras.Model, views: dict[str, Any], view: str, directions: np.ndarray) -> np.ndarray:
    """The drop of the score when a patch of `view` is hidden; the other views stay as they are.

    The patch slides over the view by half its size. Each cell gets the mean drop of the patches that cover it.

    Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014), section 4.2.

    Args:
        model: the model.
        views: its inputs.
        view: the view in which patches are hidden.
        directions: see `keras_sister.explanation.score.directions`.

    Returns:
        float32 array, shape (batch, CELLS, CELLS); negative where the score rises.
    """
    pixels = keras.ops.convert_to_numpy(views[view])
    neutral = neutral_colour(pixels, view)
    rows, columns = (np.linspace(0, length, CELLS + 1).round().astype(int) for length in pixels.shape[1:3])
    before = _scores(model, views, directions)
    drops = np.zeros((len(pixels), CELLS, CELLS), np.float32)
    covered = np.zeros((CELLS, CELLS), np.float32)
    for row, column in np.ndindex(CELLS - _PATCH + 1, CELLS - _PATCH + 1):
        hidden = pixels.copy()
        hidden[:, rows[row] : rows[row + _PATCH], columns[column] : columns[column + _PATCH]] = neutral
        drop = before - _scores(model, {**views, view: hidden}, directions)
        drops[:, row : row + _PATCH, column : column + _PATCH] += drop[:, None, None]
        covered[row : row + _PATCH, column : column + _PATCH] += 1
    return drops / covered


def neutral_colour(pixels: np.ndarray, view: str) -> np.ndarray:
    """The colour that says nothing: a photo's mean colour; of ``segmented`` the median of its border, the background.

    Returns:
        Array of the dtype of `pixels`, shape (batch, 1, 1, 3).
    """
    if view == "segmented":
        edges = (pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1])
        colour = np.median(np.concatenate(edges, axis=1), axis=1)
    else:
        colour = pixels.mean(axis=(1, 2))
    if np.issubdtype(pixels.dtype, np.integer):
        colour = np.round(colour)
    return colour[:, None, None].astype(pixels.dtype)


def _scores(model: keras.Model, views: dict[str, Any], directions: np.ndarray) -> np.ndarray:
    logits = keras.ops.convert_to_numpy(model(views, training=False))
    return (logits * directions).sum(axis=1)
