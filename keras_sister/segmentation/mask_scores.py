"""How good person masks are, beside the truth."""

import math

import numpy as np
from scipy import ndimage

TOLERANCE = 0.008
"""A boundary may be off by this share of the photo's diagonal."""


class MaskScores:
    """Gathers masks, photo by photo, of any sizes.

    Example:
        >>> scores = MaskScores()
        >>> scores.add(truth, found)
        >>> scores.result()["person_iou"]
        0.91
    """

    def __init__(self) -> None:
        self._counts = np.zeros((2, 2), np.int64)  # pixels, by truth and by what was found
        self._boundaries: list[float] = []

    def add(self, truth: np.ndarray, found: np.ndarray) -> None:
        """Take one photo's masks: bool arrays, both (height, width)."""
        self._counts += [
            [(~truth & ~found).sum(), (~truth & found).sum()],
            [(truth & ~found).sum(), (truth & found).sum()],
        ]
        self._boundaries.append(boundary_f_score(truth, found))

    def result(self) -> dict[str, float]:
        """The scores so far, in [0, 1].

        Returns:
            Over the pixels of all photos together ``pixel_accuracy``, ``person_iou``, and ``mean_iou`` of person and
            background, where a class that is in neither mask has an intersection over union of 1; and ``boundary_f``,
            the mean of `boundary_f_score` over the photos.
        """
        right = np.diagonal(self._counts)
        unions = self._counts.sum(axis=0) + self._counts.sum(axis=1) - right
        background, person = (float(hits / union) if union else 1.0 for hits, union in zip(right, unions, strict=True))
        return {
            "pixel_accuracy": float(right.sum() / self._counts.sum()),
            "person_iou": person,
            "mean_iou": (person + background) / 2,
            "boundary_f": float(np.mean(self._boundaries)),
        }


def boundary_f_score(truth: np.ndarray, found: np.ndarray) -> float:
    """How well the outline fits: F1 of the boundary pixels that have one of the other mask's within `TOLERANCE`.

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
    """The pixels of a mask that touch a pixel outside of it; the photo's border is no boundary."""
    return mask & ~ndimage.binary_erosion(mask, border_value=1)
