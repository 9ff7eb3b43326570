"""Scores of segmentation against the ground truth."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

TOLERANCE = 0.008
"""Tolerance of boundaries, as a share of the photo's diagonal."""


class MaskScores:
    """Accumulates scores of label maps, photo by photo, of any sizes.

    Args:
        classes: number of classes.
        person: indices of the classes that count as person.

    Example:
        >>> scores = MaskScores(2, [1])
        >>> scores.add(truth, found)
        >>> scores.result()["person_iou"]
        0.91
    """

    def __init__(self, classes: int, person: Sequence[int]) -> None:
        self._person = np.isin(np.arange(256), person)
        self._counts = np.zeros((classes, classes), np.int64)  # pixels, by true and predicted class
        self._persons = np.zeros((2, 2), np.int64)  # the same for background and person
        self._boundaries: list[float] = []

    def add(self, truth: np.ndarray, found: np.ndarray) -> None:
        """Add one photo: two uint8 arrays of classes, (height, width). Pixels without a true class are ignored."""
        known = truth < len(self._counts)
        self._counts += _counted(truth[known], found[known], len(self._counts))
        ours, theirs = self._person[found], self._person[truth]
        self._persons += _counted(theirs[known], ours[known], 2)
        self._boundaries.append(boundary_f_score(theirs & known, ours & known))

    def result(self) -> dict[str, float]:
        """The scores of all photos added so far, in [0, 1].

        Returns:
            Over the pixels of all photos ``pixel_accuracy``; ``mean_iou``, the mean intersection over union of the
            classes that occur or are predicted; ``person_iou``, for the person classes as one, 1 if there is no
            person and none is predicted; and ``boundary_f``, the mean of `boundary_f_score` over the photos.
        """
        ious = _ious(self._counts)
        person = _ious(self._persons)[1]
        return {
            "pixel_accuracy": float(np.trace(self._counts) / self._counts.sum()),
            "mean_iou": float(np.nanmean(ious)),
            "person_iou": 1.0 if math.isnan(person) else float(person),
            "boundary_f": float(np.mean(self._boundaries)),
        }


def _counted(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    pairs = truth.astype(np.int64) * classes + found
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _ious(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of every class; NaN for a class that does not occur."""
    right = np.diagonal(counts).astype(float)
    unions = counts.sum(axis=0) + counts.sum(axis=1) - right
    return np.divide(right, unions, out=np.full(len(right), np.nan), where=unions > 0)


def boundary_f_score(truth: np.ndarray, found: np.ndarray) -> float:
    """Boundary F1: a boundary pixel matches if the other mask has one within `TOLERANCE`.

    Source: the contour accuracy of Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
    Segmentation" (CVPR 2016), with distances measured exactly.

    Args:
        truth: bool array, shape (height, width).
        found: bool array of the same shape.

    Returns:
        In [0, 1]; 1 if neither mask has a boundary, 0 if one of them has none.
    """
    ours, theirs = _boundary(found), _boundary(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    reach = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    precision = (ndimage.distance_transform_edt(~theirs)[ours] <= reach).mean()
    recall = (ndimage.distance_transform_edt(~ours)[theirs] <= reach).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask that touch a pixel outside it; the photo's border does not count."""
    return mask & ~ndimage.binary_erosion(mask, border_value=1)
